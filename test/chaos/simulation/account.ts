import {
  afterHit,
  type Hit,
  isHopeless,
  isReset,
  type Limit,
  type LimitState,
  type Moment,
  placeInLine,
  stateOfLimit,
  type Waits,
} from '../../../src/limits/rules.ts'
import type { SimAgent } from './agent.ts'

const MINUTE = 60_000
const WAITS: Waits = { backoff: MINUTE, longest: 30 * MINUTE, spacing: 5_000 }
/** So long one that asks may take until it has shown whether it works. */
const PROBE_MS = 5 * MINUTE

/** What several agents have in common: an account, its limit, and who asks whether that is over. */
export class SimAccount {
  #limit: Limit | null = null
  #probe: { readonly agent: SimAgent; readonly fence: number; readonly until: number } | null = null
  #lastPlace = Number.NEGATIVE_INFINITY
  #logins = 0
  /** The truth: nobody may try before both clocks' times, as the provider said, or as long as one waits at the least. */
  #notBefore: { readonly wall: number; readonly mono: number } | null = null

  /** What its login looks like. */
  get #evidence(): string {
    return `login ${this.#logins}`
  }

  state(moment: Moment): LimitState {
    return stateOfLimit(this.#limit, moment, this.#evidence)
  }

  /** A person has logged in again. */
  logIn(): void {
    this.#logins++
  }

  isProbe(agent: SimAgent): boolean {
    return this.#probe?.agent === agent && this.#probe.fence === agent.fence
  }

  /** The right to ask ends with the process that has it, or with a failure of its own. */
  giveUp(agent: SimAgent): void {
    if (this.#probe?.agent === agent) this.#probe = null
  }

  /** It answers. */
  answered(agent: SimAgent, { now }: Moment): void {
    if (!this.isProbe(agent)) return
    if (this.#limit !== null) this.#limit = { ...this.#limit, liftedAt: now, nextMonotonic: null }
    this.#probe = null
    this.#notBefore = null
    this.#lastPlace = Number.NEGATIVE_INFINITY
  }

  /** Whether a turn may begin: as `askPass` does it, by the same rules. */
  mayBegin(agent: SimAgent, moment: Moment): boolean {
    const limit = this.#limit
    switch (this.state(moment)) {
      case 'held':
      case 'stopped':
        agent.place = null
        return false
      case 'due':
        if (this.#probe !== null && moment.monotonic < this.#probe.until) return false
        this.#probe = { agent, fence: agent.fence, until: moment.monotonic + PROBE_MS }
        return true
      case 'free': {
        if (agent.place !== null) return moment.monotonic >= agent.place
        if (limit === null || !agent.parkedNow) return true
        const { wait, next } = placeInLine(limit, moment, WAITS, (moment.monotonic % 7) / 7)
        this.#limit = { ...limit, nextMonotonic: next }
        agent.place = moment.monotonic + wait
        if (agent.place - this.#lastPlace < WAITS.spacing) throw new Error('two went on at once after a limit')
        this.#lastPlace = agent.place
        return wait === 0
      }
    }
  }

  /** @throws {Error} when it is one too many, or too soon */
  begins(agent: SimAgent, moment: Moment): void {
    const state = this.state(moment)
    if (state === 'held' || state === 'stopped') throw new Error('a turn began though its account is held up')
    if (state === 'due' && !this.isProbe(agent))
      throw new Error('a turn began while another is asking whether the limit is over')
    if (this.#limit?.liftedAt !== null || this.#notBefore === null) return
    if (moment.monotonic < this.#notBefore.mono && moment.now < this.#notBefore.wall)
      throw new Error('a turn began before the time that was named')
  }

  /** An agent met the limit. Whether waiting still makes sense. */
  met(agent: SimAgent, hit: Pick<Hit, 'cause' | 'resetAt'>, moment: Moment, dice: number): 'park' | 'hopeless' {
    const before = this.#limit
    const held = this.state(moment) === 'held'
    const byProbe = this.isProbe(agent)
    this.#limit = afterHit(before, { ...hit, byProbe, evidence: this.#evidence }, moment, WAITS, dice)
    if (byProbe) this.#probe = null
    const state = this.state(moment)
    if (state === 'free' || (byProbe && state !== 'held' && state !== 'stopped'))
      throw new Error('what was met just now holds nobody up')
    const named = isReset(hit.resetAt, moment.now)
    const instead = hit.cause === 'auth' || (named && before?.estimated)
    if (!held || byProbe || instead) this.#noteTime(named ? hit.resetAt : null, moment)
    return isHopeless(this.#limit, moment.now) ? 'hopeless' : 'park'
  }

  #noteTime(at: number | null, { now, monotonic }: Moment) {
    const wait = at === null ? WAITS.backoff : at - now
    this.#notBefore = this.#limit?.until === null ? null : { wall: now + wait, mono: monotonic + wait }
  }
}
