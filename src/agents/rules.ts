import type { FailureCause } from '../contract/runtime.ts'
import type { AgentState, EndState, TaskState, WaitingOn } from '../contract/states.ts'
import type { Condition } from '../reports/condition.ts'

/** What is known of an agent whose turn has ended. */
export interface TurnFacts {
  readonly taskFinal: boolean
  /** It said `worker_done` and its branch is in the queue or being gated. */
  readonly claimedDone: boolean
  readonly openChildren: number
  /** A question of its own that nobody has answered yet, and whom it asked. */
  readonly openQuestionTo: 'human' | 'agent' | null
  readonly reminded: boolean
  /** The runtime ends its own turns by exiting: no word beyond that is expected. */
  readonly speaks: boolean
  /** It has no end of its own. */
  readonly persistent: boolean
  /** A person is at its screen, or has prompted it there. */
  readonly attended: boolean
}

export type AfterTurn =
  | { readonly do: 'finish' }
  | { readonly do: 'wait'; readonly on: WaitingOn; readonly why?: string }
  | { readonly do: 'remind' }
  | { readonly do: 'fail'; readonly reason: string }

/** What follows a turn, once no mail is left to hand over. */
export function afterTurn(facts: TurnFacts): AfterTurn {
  if (facts.taskFinal) return { do: 'finish' }
  if (facts.persistent) return { do: 'wait', on: waitOfPersistent(facts) }
  if (facts.claimedDone) return { do: 'wait', on: 'merge' }
  if (facts.openChildren > 0) return { do: 'wait', on: 'children' }
  if (facts.openQuestionTo !== null) return { do: 'wait', on: facts.openQuestionTo === 'human' ? 'human' : 'mail' }
  if (!facts.speaks) return { do: 'fail', reason: 'It ended without having done its task.' }
  if (facts.attended)
    return { do: 'wait', on: 'human', why: 'Its turn is over; tell it what comes next, or that it is done.' }
  if (!facts.reminded) return { do: 'remind' }
  return {
    do: 'fail',
    reason: 'It ended its turn twice without saying that it is done, has failed, or waits for an answer.',
  }
}

/** No word is expected of it: between its turns it waits, first of all for what only a person can give. */
function waitOfPersistent({ openQuestionTo, openChildren }: TurnFacts): WaitingOn {
  if (openQuestionTo === 'human') return 'human'
  return openChildren > 0 ? 'children' : 'mail'
}

export interface SlingFacts {
  readonly parentDepth: number | null
  readonly parentMaySpawn: boolean
  readonly inRun: number
  readonly live: number
  readonly limits: { readonly maxDepth: number; readonly maxConcurrent: number; readonly maxSessionsPerRun: number }
  readonly queue: boolean
}

export type SlingVerdict =
  | { readonly ok: true; readonly depth: number; readonly start: 'now' | 'queued' }
  | {
      readonly ok: false
      readonly code: 'sling.may-not-spawn' | 'sling.too-deep' | 'sling.run-full' | 'sling.busy'
      readonly message: string
      readonly hint: string
    }

/** May this agent be made, and does it start at once? Depth comes from the parent's row, never from a flag. */
export function mayStart(facts: SlingFacts): SlingVerdict {
  const { limits } = facts
  const depth = facts.parentDepth === null ? 0 : facts.parentDepth + 1
  if (!facts.parentMaySpawn) {
    return {
      ok: false,
      code: 'sling.may-not-spawn',
      message: 'An agent of your capability may not sling others.',
      hint: 'Ask your lead or the human: ov ask "…"',
    }
  }
  if (depth > limits.maxDepth) {
    return {
      ok: false,
      code: 'sling.too-deep',
      message: `Agents may be nested ${limits.maxDepth} deep; this one would be at ${depth}.`,
      hint: 'Do the task yourself, or raise agents.maxDepth in overstory.yaml.',
    }
  }
  if (facts.inRun >= limits.maxSessionsPerRun) {
    return {
      ok: false,
      code: 'sling.run-full',
      message: `This run has had its ${limits.maxSessionsPerRun} agents (agents.maxSessionsPerRun).`,
      hint: 'Wait until the run ends (ov status), or raise agents.maxSessionsPerRun in overstory.yaml.',
    }
  }
  if (facts.live >= limits.maxConcurrent && !facts.queue) {
    return {
      ok: false,
      code: 'sling.busy',
      message: `${facts.live} agents are at work, which is the limit (agents.maxConcurrent).`,
      hint: 'Leave out --no-queue and it starts when a place frees.',
    }
  }
  return { ok: true, depth, start: facts.live >= limits.maxConcurrent ? 'queued' : 'now' }
}

/** Words for a state, for people. */
export function describeState(state: AgentState): string {
  switch (state.name) {
    case 'waiting':
      return `waiting on ${state.on.replace('_', ' ')}`
    case 'failed':
    case 'stopped':
      return state.reason === '' ? state.name : `${state.name}: ${state.reason}`
    case 'queued':
    case 'starting':
    case 'working':
    case 'done':
      return state.name
  }
}

/** An agent is started again so often within the window; then it is put aside. */
export const MAX_RESTARTS = 3
export const RESTART_WINDOW_MS = 10 * 60_000

/** Why an agent is put aside, in a sentence. @param what died: `Its runner` */
export function putAside(what: string): string {
  return `${what} died, though it was started again ${MAX_RESTARTS} times within ${RESTART_WINDOW_MS / 60_000} minutes. It is put aside.`
}

export interface DeathFacts {
  readonly taskFinal: boolean
  /** Turns it has begun. */
  readonly turns: number
  /** Its runtime understands a prompt. A command that was cut off is not run again by itself: it may have done half of what it does. */
  readonly prompts: boolean
  /** How often it was started again within the window. */
  readonly restarts: number
  /** Whoever looks can bring it back: the runtime's program and login are there, and it is wanted. */
  readonly able: boolean
}

export type AfterDeath =
  | { readonly do: 'end' }
  /** It stays as it is, for somebody who can bring it back. */
  | { readonly do: 'leave' }
  /** It had not begun. */
  | { readonly do: 'start' }
  /** It goes on where it was. */
  | { readonly do: 'recover' }
  /** Starting it again does not help: a person has to look. */
  | { readonly do: 'put-aside' }

/** What becomes of an agent whose runner died. */
export function afterDeath({ taskFinal, turns, prompts, restarts, able }: DeathFacts): AfterDeath {
  if (taskFinal) return { do: 'end' }
  if (turns > 0 && !prompts) return { do: 'end' }
  if (!able) return { do: 'leave' }
  if (restarts >= MAX_RESTARTS) return { do: 'put-aside' }
  return { do: turns === 0 ? 'start' : 'recover' }
}

export interface FailureFacts {
  readonly cause: FailureCause
  /** Failures in a row, this one included. */
  readonly setbacks: number
  /** What a person types to log in to this runtime. */
  readonly login: string
  /** For a persistent agent: what a person types to start it again; null for one with a task. */
  readonly again: string | null
  /** It can be told to go on: its runtime understands a prompt, and had shown that it works before it died, or was killed. */
  readonly goesOn: boolean
  /** How often it was started again within the window (`RESTART_WINDOW_MS`). */
  readonly restarts: number
  /** Its CLI was to go on with a session of an earlier process, and has given no sign that it did. */
  readonly unproven: boolean
  /** By chance, from 0 up to, not including, 1. */
  readonly dice: number
}

export type AfterFailure =
  /** Its session is taken up once more, after so long. In ms. */
  | { readonly do: 'retry'; readonly afterMs: number }
  /** A new session takes the place of one that is of no use any more. */
  | { readonly do: 'renew'; readonly afterMs: number }
  /** It was started again too often: a person has to look. */
  | { readonly do: 'put-aside' }
  | { readonly do: 'fail'; readonly advice: string | null }

/** Before it is started again for the second time, in ms; before the third it is four times as long. The first time is at once. */
const SECOND_START_MS = 1_000
/** Waits grow by up to this share by chance. */
const JITTER = 0.25

/** So long one waits before what died is started again, in ms: a CLI that dies at once is not started in a loop. */
function pause(restarts: number, dice: number): number {
  return restarts === 0 ? 0 : Math.round(SECOND_START_MS * 4 ** (restarts - 1) * (1 + JITTER * dice))
}

/**
 * What follows a failed turn that concerns this agent alone: what another start mends is started again, so often within the
 * window; the rest fails at once. What its whole account has in common is no business of this rule (`src/limits/rules.ts`).
 */
export function afterFailure({
  cause,
  setbacks,
  login,
  again,
  unproven,
  goesOn,
  restarts,
  dice,
}: FailureFacts): AfterFailure {
  switch (cause) {
    case 'auth':
      return {
        do: 'fail',
        advice: `Log in (${login}) or set its key, then ${again === null ? 'have it go on: ov retry' : `start it again: ${again}`}. To check: ov doctor`,
      }
    case 'model':
      return { do: 'fail', advice: 'Choose another model: ov retry --model …, or models in overstory.yaml.' }
    case 'crash':
    case 'interrupted':
      if (restarts < MAX_RESTARTS && (again !== null || (cause === 'crash' && goesOn)))
        return { do: unproven && setbacks > 1 ? 'renew' : 'retry', afterMs: pause(restarts, dice) }
      if (again === null && cause === 'crash' && goesOn) return { do: 'put-aside' }
      return { do: 'fail', advice: again === null ? null : `Start it again: ${again}` }
    case 'context':
      if (again !== null && setbacks === 1) return { do: 'renew', afterMs: 0 }
      return { do: 'fail', advice: again === null ? null : `Start it again: ${again}` }
    case 'rate_limit':
    case 'quota':
    case 'overloaded':
    case 'network':
    case 'limit':
    case 'refused':
    case 'unknown':
      return { do: 'fail', advice: again === null ? null : `Start it again: ${again}` }
  }
}

/** Whether a persistent agent runs and has nothing under way: it waits for whatever mail may come. */
export function isResting(agent: {
  readonly persistent: boolean
  readonly condition: Condition
  readonly waitingOn: WaitingOn | null
}): boolean {
  return agent.persistent && agent.condition === 'waiting' && agent.waitingOn === 'mail'
}

/** How an agent ends whose task has ended. */
export function endOf(task: { readonly state: TaskState; readonly reason: string | null } | undefined): EndState {
  if (task?.state === 'failed' || task?.state === 'stopped') return { name: task.state, reason: task.reason ?? '' }
  return { name: 'done' }
}
