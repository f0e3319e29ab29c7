import { successorOf } from '../agents/reassign.ts'
import { type Agent, updateAgent } from '../agents/store.ts'
import type { AgentEvent, AgentRuntime } from '../contract/runtime.ts'
import type { AgentState } from '../contract/states.ts'
import type { Lease } from '../db/lease.ts'
import { OvError } from '../errors.ts'
import { type Account, accountName, accountOf } from '../limits/account.ts'
import { askPass, giveUpProbe, liftLimit, meetLimit, stateOf } from '../limits/pass.ts'
import { isHopeless, type Limit, type LimitCause } from '../limits/rules.ts'
import { loginRefused } from '../limits/words.ts'
import type { Project } from '../project.ts'
import type { RuntimeChoice } from '../runtimes/routing.ts'
import { step } from '../steps.ts'

/** What an agent waits for that may not begin a turn: `until` in ms since the epoch; null for a person. */
export interface Wait {
  readonly until: number | null
  readonly cause: LimitCause
  readonly state: AgentState
}

/** How one agent heeds the limits of its account. */
export interface Parking {
  /** It has waited for a limit, by its row or since. */
  readonly parked: boolean
  /** Its provider has answered it by now: the login it has was good once. */
  readonly answered: boolean
  /** Notes by which account it works. */
  open(): Promise<void>
  /** Null: a turn may begin, now. */
  ask(): Promise<Wait | null>
  /** A turn failed by what the whole account meets. */
  meet(cause: LimitCause, resetAt: number | null, said: string): Promise<Limit | null>
  /** It failed otherwise. */
  failed(): Promise<void>
  /** Its CLI has reported something. */
  heard(type: AgentEvent['type']): Promise<void>
}

/** What shows that the provider answers. Text alone does not: some CLIs say in words that they were refused. */
const ANSWERS: ReadonlySet<AgentEvent['type']> = new Set(['tool_start', 'tool_end', 'turn_end'])

/** By so little, in ms, a time that is told by one clock wavers by another. */
const WAVER_MS = 1_000

export function parkingOf(project: Project, agent: Agent, runtime: AgentRuntime): Parking {
  const { clock, config, db } = project
  const stopped = loginRefused(runtime)
  let waited = agent.waiting_on === 'rate_limit' || (agent.waiting_on === 'human' && agent.reason === stopped)
  // Who had more than one turn before its runner died was answered in the first.
  let answered = agent.turns > 1
  let probe: Lease | null = null
  /** Its place in the line of those that go on: when, by the monotonic clock. */
  let place: { readonly at: number; readonly wait: Wait } | null = null
  /** What it was told last to wait for. */
  let told: Wait | null = null
  /** Looked up each time: somebody may have logged in. */
  const account = (): Account | null => accountOf(config, runtime, agent.model)

  const wait = (until: number | null, cause: LimitCause): Wait => {
    const state: AgentState =
      until === null ? { name: 'waiting', on: 'human', why: stopped } : { name: 'waiting', on: 'rate_limit', until }
    const next = { until, cause, state }
    told = told !== null && isSame(told, next) ? told : next
    return told
  }

  return {
    get parked() {
      return waited
    },
    get answered() {
      return answered
    },
    async open() {
      const mine = account()
      await updateAgent(db, agent, { account: mine === null ? null : accountName(mine) })
    },
    async ask() {
      const mine = account()
      if (mine === null) return null
      const pass = await askPass(project, mine, agent, waited && place === null)
      if (pass.may === 'wait') {
        waited = true
        const shown = wait(pass.until, pass.cause)
        place =
          pass.inLine && pass.until !== null ? { at: clock.monotonic() + pass.until - clock.now(), wait: shown } : null
        return shown
      }
      if (pass.probe === null && place !== null && clock.monotonic() < place.at) return place.wait
      probe = pass.probe
      place = null
      waited = false
      return null
    },
    async meet(cause, resetAt, said) {
      const mine = account()
      if (mine === null) return null
      const limit = await meetLimit(project, mine, agent, { cause, resetAt, said, probe })
      step('limit.met')
      probe = null
      place = null
      waited = true
      return limit
    },
    async failed() {
      const mine = account()
      if (probe !== null && mine !== null) await giveUpProbe(project, mine, probe)
      probe = null
    },
    async heard(type) {
      if (!ANSWERS.has(type)) return
      answered = true
      if (probe === null) return
      const mine = account()
      const lease = probe
      probe = null
      if (mine !== null) await liftLimit(project, mine, agent, lease)
    },
  }
}

/** The same time by another clock is some milliseconds off, another each time: told anew, all would be told, again and again. */
function isSame(before: Wait, next: Wait): boolean {
  if (before.cause !== next.cause) return false
  if (before.until === null || next.until === null) return before.until === next.until
  return Math.abs(before.until - next.until) < WAVER_MS
}

/** Why an agent fails that waits for a limit that does not end; null as a rule. */
export function hopeless({ clock }: Pick<Project, 'clock'>, limit: Limit): string | null {
  return isHopeless(limit, clock.now()) ? 'It was tried again and again for a day.' : null
}

/**
 * The runtime that takes over from one whose account is held up for long, or till a person has acted: the next of
 * `runtime.fallback` that is free. Null where there is none, where its own was asked for by name, or soon goes on.
 */
export async function fallbackFor(project: Project, agent: Agent, { until }: Wait): Promise<RuntimeChoice | null> {
  const { config, clock } = project
  if (agent.pinned === 1 || agent.persistent === 1) return null
  if (until !== null && until - clock.now() <= config.limits.fallbackAfter) return null
  for (const runtime of config.runtime.fallback) {
    if (runtime === agent.runtime) continue
    try {
      const choice = await successorOf(project, agent, { runtime })
      const account = accountOf(config, choice.runtime, choice.model)
      if (account !== null && (await stateOf(project, account)) === 'free') return choice
    } catch (error) {
      // Not installed, not logged in, not fit for this role: the next one.
      if (!(error instanceof OvError)) throw error
    }
  }
  return null
}
