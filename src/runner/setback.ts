import { recentRestarts } from '../agents/recover.ts'
import { afterFailure, putAside } from '../agents/rules.ts'
import type { Agent } from '../agents/store.ts'
import type { AgentEvent, AgentRuntime } from '../contract/runtime.ts'
import type { EndState } from '../contract/states.ts'
import { isLimit } from '../limits/rules.ts'
import { sha256 } from '../os/digest.ts'
import { ownPane, paneExists } from '../os/tmux.ts'
import type { Project } from '../project.ts'
import { hopeless, type Parking } from './parking.ts'
import type { Redact } from './redact.ts'
import type { Exit } from './session.ts'

/** Most characters of stderr that are recorded, and digits of a prompt's digest. */
const STDERR = 2_000
const DIGITS = 12

/** What a kernel short of memory and a person send, and no program to itself: it says nothing of whether the CLI works. */
const FROM_OUTSIDE = 'SIGKILL'

/** What a runner does about a turn that failed. */
export type AfterSetback =
  | { readonly do: 'end'; readonly state: EndState }
  /** What holds up its account is over some time, or when a person has acted. */
  | { readonly do: 'park' }
  /** It goes on after so long (ms), in its old session or in a new one. */
  | { readonly do: 'take-up'; readonly anew: boolean; readonly afterMs: number }
  /** Its screen is gone, and cannot be had back here: another runner goes on with a screen of its own. */
  | { readonly do: 'give-way'; readonly why: string }

/** What a runner knows of its CLI at the moment it failed. */
export interface Standing {
  /** Whether the session of an earlier process was really taken up is not seen yet. */
  readonly unproven: boolean
  /** It told of a session, and was cut off before anything of that was written down. */
  readonly lost: boolean
  /** Its CLI has done something by now: what dies before that would die again. */
  readonly works: boolean
  /** The turn that failed, for the record. */
  readonly attempt: Attempt
}

/** What is known of a turn that failed. */
export interface Attempt {
  readonly turn: number
  readonly prompt: string
  readonly model: string | null
  /** Of the runtime, as it told it itself. */
  readonly version: string | null
  readonly exit: Exit | null
  readonly stderr: string
}

/** The failures of one agent's CLI, as its runner meets them. */
export interface Setbacks {
  /** What follows a failed turn; recorded with its cause. */
  meet(event: Extract<AgentEvent, { type: 'failed' }>, standing: Standing): Promise<AfterSetback>
  /** A turn went well. */
  over(): void
}

export function setbacksOf(
  project: Project,
  agent: Agent,
  runtime: AgentRuntime,
  {
    redact,
    note,
    parking,
  }: {
    readonly redact: Redact
    note(type: string, data: Record<string, unknown>): Promise<void>
    readonly parking: Parking
  },
): Setbacks {
  /** Failures in a row that waiting can mend. */
  let inARow = 0
  return {
    over() {
      inARow = 0
    },
    async meet(event, { unproven, lost, works, attempt }) {
      inARow += 1
      const message = redact(event.message)
      await note('runtime.failed', {
        cause: event.cause,
        message: message.slice(0, 2000),
        turn: attempt.turn,
        runtime: agent.runtime,
        model: attempt.model,
        version: attempt.version,
        exitCode: attempt.exit?.code ?? null,
        signal: attempt.exit?.signal ?? null,
        stderr: redact(wholeLines(attempt.stderr)).slice(-STDERR),
        prompt: sha256(attempt.prompt).slice(0, DIGITS),
      })
      if (isLimit(event.cause)) {
        const limit = await parking.meet(event.cause, event.resetAt ?? null, message.slice(0, 500))
        const inVain = limit === null ? null : hopeless(project, limit)
        if (inVain !== null) return { do: 'end', state: { name: 'failed', reason: `${message}\n${inVain}` } }
        // A login that never worked fails at once what is to use it; one that did is waited for.
        if (limit !== null && (event.cause !== 'auth' || parking.answered)) return { do: 'park' }
      } else {
        await parking.failed()
      }
      const next = afterFailure({
        cause: event.cause,
        setbacks: inARow,
        login: runtime.login.hint,
        unproven,
        again: agent.persistent === 1 ? `ov ${agent.capability} start` : null,
        goesOn: runtime.can.prompts && (works || attempt.exit?.signal === FROM_OUTSIDE),
        restarts: await recentRestarts(project, agent),
        dice: Math.random(),
      })
      switch (next.do) {
        case 'retry':
        case 'renew': {
          if (agent.mode === 'interactive' && !(await hasScreen(project))) return { do: 'give-way', why: message }
          const anew = next.do === 'renew' || lost || !runtime.can.resume
          await note('agent.recovered', { why: message.slice(0, 300), context: anew ? 'digest' : 'resumed' })
          return { do: 'take-up', anew, afterMs: next.afterMs }
        }
        case 'put-aside':
          return { do: 'end', state: { name: 'failed', reason: `${putAside('Its CLI')}\n${message}` } }
        case 'fail': {
          const reason = next.advice === null ? message : `${message}\n${next.advice}`
          return { do: 'end', state: { name: 'failed', reason } }
        }
      }
    },
  }
}

/** Without its first line, which may be the rest of one: what can be half a secret is none that is known. */
function wholeLines(tail: string): string {
  return tail.length < STDERR ? tail : tail.slice(tail.indexOf('\n') + 1)
}

/** Whether the pane that a runner was started in is still there. */
async function hasScreen({ tmux }: Project): Promise<boolean> {
  const pane = ownPane()
  return tmux !== null && pane !== null && (await paneExists(tmux, pane)) !== false
}
