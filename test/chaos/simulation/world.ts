import { afterDeath, afterFailure, afterTurn, MAX_RESTARTS, RESTART_WINDOW_MS } from '../../../src/agents/rules.ts'
import type { FailureCause } from '../../../src/contract/runtime.ts'
import type { Capability, WaitingOn } from '../../../src/contract/states.ts'
import { isLimit } from '../../../src/limits/rules.ts'
import { complaintsOf, isToNudge } from '../../../src/watchdog/complaints.ts'
import { type AgentSeen, asksCpu, judge, type Memory, NOTHING_YET, type Verdict } from '../../../src/watchdog/rules.ts'
import { type EventRow, hear, note, type Signs } from '../../../src/watchdog/signs.ts'
import { type Limits, NOTHING_TRIED, timeGiven } from '../../../src/watchdog/silence.ts'
import type { TroubleKind } from '../../../src/watchdog/trouble.ts'
import { SimAccount } from './account.ts'
import { type Circle, LOOP_AFTER, SimAgent, type State } from './agent.ts'
import { POLICIES, SimScreen } from './screen.ts'
import { type Fleet, Tiers } from './tiers.ts'

/*
 * A world of agents, runners, a kernel that sometimes does not answer, watchers that come and go, models and people who
 * answer what they like, and two clocks. What decides in it are the real rules; all they are told is made here, and all
 * they decide is carried out here, as the stories around them do it. What must never be is an error as soon as it is.
 */

/** What a world has to show in the end, added up over all of them. */
export interface Counts {
  faults: number
  /** How long each death went unnoticed while somebody watched and the kernel answered, in ms of that world. */
  noticed: number[]
  /** From each death until its agent was at work again. */
  recovered: number[]
  /** What has happened at all. */
  readonly seen: Set<string>
}

export function noCounts(): Counts {
  return { faults: 0, noticed: [], recovered: [], seen: new Set() }
}

/** What must have happened in one world or another: what was never tried proves nothing. */
export const TRIED = [
  'nudged: silence',
  'nudged: loop',
  'raised: silence',
  'raised: loop',
  'raised: dialog',
  'raised: deadline',
  'verdict: wait',
  'verdict: nudge',
  'verdict: resume',
  'verdict: restart-fresh',
  'verdict: reassign',
  'verdict: give-up',
  'verdict: ask-human',
  'no verdict',
  'a verdict that code did not carry out',
  'a verdict that still held',
  'the budget for questions was used up',
  'a dialog was answered',
  'the human was asked',
  'whom it reports to was asked',
  'the next above was asked: late',
  'the next above was asked: ended',
  'nobody had to answer any more',
  'answered: wait',
  'answered: say',
  'answered: stop',
  'answered: restart-fresh',
  'a limit was met by who asked',
  'parked until a person logs in',
  'put aside',
] as const

const SECOND = 1_000
const MINUTE = 60 * SECOND
const LIMITS: Limits = { nudgeAfter: 2 * MINUTE, nudgeEvery: 2 * MINUTE, nudges: 3, toolLimit: 10 * MINUTE }
const DEADLINES: Partial<Record<Capability, number>> = { builder: 45 * MINUTE }
const AGENTS = 5
const PLACES = 3
/** Somebody who watches looks at least so often. */
const LOOK_MS = SECOND
const LONGEST_STRIDE_MS = 30 * SECOND
/** A death is known so soon after the kernel says so, as long as somebody watches. */
const NOTICED_MS = 2 * SECOND
/** What is to be tended is, as long as somebody watches: after its grace, and then at least so often. */
const TENDED_MS = 66 * SECOND
/** A loop is told of so soon. */
const TOLD_MS = 2 * SECOND
/** So soon what stalls is taken up when it is time, whoever sits at a screen or computes. */
const TAKEN_UP_MS = 90 * SECOND
/** When nothing breaks any more, all come to their end within this. A quota of which nobody says when it ends lasts nine hours. */
const QUIET_MS = 20 * 60 * MINUTE
/** Pauses before what died is started again: none, then at least so long. */
const PAUSES_MS = [0, SECOND, 4 * SECOND]

/** What the watcher that is there has seen of an agent. */
interface Sight {
  readonly signs: Signs
  mark: string
  output: number
  age: { readonly ms: number; readonly at: number } | null
  readonly given: Map<number, number>
}

/**
 * Runs one world through its steps, each decided by a number, and then lets it come to rest. A small number is a step
 * that does little: what fast-check makes of a failure is the least that still fails.
 *
 * @throws {Error} what must never be, as soon as it is
 */
export function simulate(choices: readonly number[], counts: Counts): void {
  const world = new World(counts, choices[0] ?? 0)
  for (const choice of choices) world.step(choice)
  world.comeToRest()
}

class World implements Fleet {
  readonly limits = LIMITS
  readonly deadlines = DEADLINES
  readonly agents: SimAgent[] = []
  readonly #counts: Counts
  readonly #policy: number
  readonly #accounts = [new SimAccount(), new SimAccount()] as const
  readonly #tiers = new Tiers(this)
  mono = 10 * MINUTE
  wall = 1_750_000_000_000
  /** Rises with every watcher: who acts for an older one has no right to any more. */
  watch = 1
  #memory: Memory = NOTHING_YET
  readonly #sights = new Map<string, Sight>()
  /** When whoever watches wants to look next, monotonic. */
  #next = 0
  #watching = true
  /** The train stands with work in its queue, and nobody at it. */
  readonly #merges = new Set<string>()
  /** What is to be tended, since when somebody could have known, and when it last was. */
  readonly #needs = new Map<string, number>()
  #events = 0
  #slung = 0
  #jumps = 0
  /** Everything goes well from now on. */
  #calm = false

  constructor(counts: Counts, first: number) {
    this.#counts = counts
    this.#policy = first
    for (let slot = 0; slot < AGENTS; slot++) this.agents.push(this.#newAgent(slot))
    this.#dispatch()
  }

  /** One is a command, one a lead without a deadline; two report to it, and one of these has a screen. */
  #newAgent(slot: number): SimAgent {
    const account = this.#accounts[slot % 2] ?? this.#accounts[0]
    return new SimAgent(`agent-${slot}-${this.#slung++}`, {
      prompts: slot !== 0,
      capability: slot === 1 ? 'lead' : 'builder',
      account,
      screen: slot === 3 ? new SimScreen(POLICIES[this.#policy % POLICIES.length] ?? [], this.mono) : null,
      parent: slot >= 3 ? (this.agents[1] ?? null) : null,
      since: this.wall,
    })
  }

  step(choice: number): void {
    const kind = choice % 48
    const who = this.agents[Math.floor(choice / 48) % AGENTS]
    const amount = Math.floor(choice / (48 * AGENTS))
    if (who === undefined) return
    switch (kind) {
      case 6:
        this.#pass((amount % 240) * SECOND)
        break
      case 7:
        this.#pass((amount % 10) * SECOND)
        break
      case 8:
      case 9:
        this.#sign(who)
        break
      case 10:
        this.#tool(who)
        break
      case 11:
        // One tool right after another, with nobody looking in between.
        if (who.tool) this.#tool(who)
        this.#tool(who)
        break
      case 12:
        this.#endTurn(who)
        break
      case 13:
        this.#tiers.turnsTo(amount)
        break
      case 14:
        if (this.#isFree(who)) who.claimed = true
        this.#endTurn(who)
        break
      case 15:
        if (this.#isFree(who)) who.asking = true
        this.#endTurn(who)
        break
      case 16:
        this.#fail(who, CAUSES[amount % CAUSES.length] ?? 'unknown', amount)
        break
      case 17:
        this.#answer(who)
        who.account.logIn()
        break
      case 18:
        this.#merge(amount % 3 !== 0)
        break
      case 19:
      case 20:
        this.#kill(who)
        break
      case 21:
        this.#fault()
        who.doubted = !who.doubted
        break
      case 22:
      case 23:
        this.#fault()
        // A command that hangs is a matter of deadlines, not of silence.
        who.hung = !who.hung && who.prompts && who.works
        break
      case 24:
        this.#fault()
        this.#setClock(((amount % 241) - 120) * MINUTE)
        break
      case 25:
        // The machine sleeps; its monotonic clock may sleep with it.
        this.#fault()
        this.#setClock((amount % 120) * MINUTE)
        if (amount % 2 === 0) this.#gap((amount % 120) * MINUTE, 'all sleep')
        break
      case 26:
        // A watcher that is stopped, and goes on.
        this.#fault()
        this.wall += (amount % 60) * SECOND
        this.#gap((amount % 60) * SECOND, 'nobody looks')
        break
      case 27:
        this.#fault()
        this.#watching = !this.#watching
        this.#anotherWatcher()
        break
      case 28:
        // Another watcher takes over at once.
        this.#fault()
        this.#anotherWatcher()
        break
      case 29:
        // Everything is killed, and brought up.
        this.#fault()
        for (const agent of this.agents) this.#kill(agent)
        this.#tiers.die()
        this.#anotherWatcher()
        if (amount % 2 === 0) this.#reconcile()
        break
      case 30:
        if (who.open) who.waitingMail++
        break
      case 31:
      case 32:
        this.#sling(who)
        break
      case 33:
        this.#fault()
        if (who.works && who.prompts)
          who.circle = {
            kind: amount % 3 === 0 ? 'error' : 'call',
            period: 1 + (amount % 3),
            name: amount % 50,
            done: 0,
          }
        break
      case 34:
        who.circle = null
        break
      case 35:
      case 36:
      case 37:
        for (let times = 0; times <= amount % 9; times++) this.#use(who, amount)
        break
      case 38:
        this.#commit(who)
        break
      case 39:
        if (who.computing !== null) this.#rest(who)
        else if (who.works) who.computing = this.mono
        break
      case 40:
        if (this.#isFree(who) && who.screen !== null) {
          this.#fault()
          who.screen.ask(amount % 4, amount % 5 === 4)
        }
        break
      case 41:
        if (amount % 3 === 0) who.screen?.answer()
        break
      case 42:
        this.#tiers.answer(amount, 'agent')
        break
      case 43:
        this.#tiers.answer(amount, 'human')
        break
      case 44:
        this.#pass((amount % 10) * MINUTE)
        break
      default:
        this.#pass(LOOK_MS)
    }
    this.#look()
  }

  /** Nothing breaks any more, people answer, and the train merges: then all come to their end. */
  comeToRest(): void {
    this.#calm = true
    this.#watching = true
    this.#anotherWatcher()
    for (const agent of this.agents) agent.doubted = false
    for (const from = this.mono; this.mono - from < QUIET_MS; ) {
      if (this.agents.every(({ open }) => !open)) break
      this.#pass(this.agents.every(({ open, parkedNow }) => !open || parkedNow) ? 5 * MINUTE : 10 * SECOND)
      for (const agent of this.agents) {
        this.#answer(agent)
        agent.account.logIn()
        agent.screen?.answer()
        agent.circle = null
        this.#rest(agent)
        if (agent.again === null) this.#lookAtScreen(agent)
        if (!this.#isFree(agent)) continue
        if (agent.tool) this.#tool(agent)
        this.#commit(agent)
        agent.claimed = true
        this.#endTurn(agent)
      }
      // One who hangs is seen to by a model or a person, sooner or later.
      this.#tiers.answer(Math.floor(this.mono / SECOND), 'human')
      this.#merge(true)
    }
    for (const agent of this.agents) {
      if (agent.open)
        throw new Error(`one is ${agent.state} (${agent.waitingOn}) for ever, with nothing wrong any more`)
      if (agent.parked !== agent.resumed)
        throw new Error(`parked ${agent.parked} times, taken up ${agent.resumed} times`)
      if (agent.waitingMail > 0) throw new Error('mail was neither delivered nor sent back')
    }
  }

  saw(what: string): void {
    this.#counts.seen.add(what)
  }

  // Records.

  record(agent: SimAgent, type: string, data: Record<string, unknown> = {}): void {
    const id = ++this.#events
    const row = { id, at: this.wall, type, run_id: null, agent_id: agent.id, task_id: null }
    const event = { ...row, data_json: JSON.stringify(data) } as unknown as EventRow
    agent.keep(event)
    const sight = this.#sights.get(agent.id)
    if (sight !== undefined) note(sight.signs, event, LOOP_AFTER)
    if (sight !== undefined && type === 'agent.starting') sight.age ??= { ms: 0, at: this.mono }
    if (type === 'agent.triaged') this.#noteVerdict(agent, data)
  }

  /** A verdict gives time: in truth, by the clock that nobody sets. */
  #noteVerdict(agent: SimAgent, { about, verdict, waitMs }: Record<string, unknown>): void {
    const kind = about as TroubleKind
    if (verdict === 'ask-human') return
    agent.given.set(kind, { wall: this.wall, ms: Number(waitMs), until: this.mono + Number(waitMs) })
    if (kind === 'silence') Object.assign(agent, { nudges: 0, lastNudge: null })
    if (kind === 'loop') this.#gotOn(agent)
  }

  told(agent: SimAgent): Signs {
    const { signs, recent, stateSince } = agent
    hear(signs, { spoke: hasSpokenSinceNudge(agent, recent), stateSince })
    return signs
  }

  seen(agent: SimAgent): Signs | undefined {
    return this.#sights.get(agent.id)?.signs
  }

  // What agents and their runners do.

  /** A task takes the place of one that has ended. */
  #sling(ended: SimAgent): void {
    if (ended.open) return
    const slot = this.agents.indexOf(ended)
    this.agents[slot] = this.#newAgent(slot)
    this.#dispatch()
  }

  #become(agent: SimAgent, state: State, on: WaitingOn | null = null, reason: string | null = null): void {
    Object.assign(agent, { state, waitingOn: on, reason, stateSince: this.wall })
    this.#soundAgain(agent)
  }

  /** In its turn, and able to go on with it. */
  #isFree(agent: SimAgent): boolean {
    return agent.works && !agent.hung && agent.screen?.asks !== true
  }

  #sign(agent: SimAgent): void {
    if (!this.#isFree(agent)) return
    agent.said++
    this.#soundAgain(agent)
  }

  #soundAgain(agent: SimAgent): void {
    Object.assign(agent, { silentSince: this.mono, nudges: 0, lastNudge: null, saidAtRaise: null })
    agent.overdue.delete('silence')
  }

  /** Whatever it repeated, it got on, or was told. */
  #gotOn(agent: SimAgent): void {
    agent.outcomes.clear()
    agent.toldOfLoop = false
    if (agent.circle !== null) agent.circle.done = 0
    agent.overdue.delete('loop')
  }

  #commit(agent: SimAgent): void {
    if (!this.#isFree(agent)) return
    this.record(agent, 'agent.committed')
    this.#gotOn(agent)
    this.#sign(agent)
  }

  #rest(agent: SimAgent): void {
    if (agent.computing !== null) agent.computedUntil = this.mono
    agent.computing = null
  }

  /** A tool that takes its time begins, or ends. */
  #tool(agent: SimAgent): void {
    if (!this.#isFree(agent) || agent.circle !== null) return
    const call = `long ${agent.id}`
    if (agent.tool) this.#ended(agent, { call, out: `${this.#events}`, ok: true, summary: 'done' })
    else this.record(agent, 'tool.start', { tool: 'Bash', call })
    agent.tool = !agent.tool
    Object.assign(agent, { busySince: this.mono, toolSince: this.mono })
    this.#sign(agent)
    agent.account.answered(agent, this.#moment())
  }

  /** A tool that is over at once. */
  #use(agent: SimAgent, amount: number): void {
    if (!this.#isFree(agent)) return
    const { circle } = agent
    const made = circle === null ? anyUse(amount, this.#events) : circleUse(circle, this.#events)
    this.record(agent, 'tool.start', { tool: 'Bash', call: made.call })
    this.#ended(agent, made)
    if (circle !== null && this.mono >= this.#givenUntil(agent, 'loop')) circle.done++
    this.#sign(agent)
    agent.account.answered(agent, this.#moment())
  }

  #ended(agent: SimAgent, made: { call: string; out: string; ok: boolean; summary: string }): void {
    this.record(agent, 'tool.end', { tool: 'Bash', ...made })
    agent.outcomes.set(made.out, (agent.outcomes.get(made.out) ?? 0) + 1)
  }

  /** Its account decides whether, and when. */
  #beginTurn(agent: SimAgent) {
    const moment = this.#moment()
    if (agent.prompts && !agent.account.mayBegin(agent, moment)) return this.#park(agent)
    if (agent.prompts) agent.account.begins(agent, moment)
    if (agent.parkedNow) agent.resumed++
    agent.parkedNow = false
    agent.place = null
    agent.again = null
    agent.midTurn = true
    agent.turns++
    agent.screen?.launched(this.mono)
    agent.held = null
    // Handed over with the prompt, and seen in it.
    agent.waitingMail = 0
    this.#become(agent, 'working')
  }

  #endTurn(agent: SimAgent): void {
    if (!this.#isFree(agent)) return
    if (agent.tool) this.#tool(agent)
    agent.midTurn = false
    agent.setbacks = 0
    agent.said++
    this.#rest(agent)
    agent.account.answered(agent, this.#moment())
    this.#betweenTurns(agent, true)
  }

  #betweenTurns(agent: SimAgent, turnEnded: boolean) {
    if (agent.taskFinal) return this.end(agent)
    if (agent.again !== null) {
      if (this.mono >= agent.again) this.#beginTurn(agent)
      return
    }
    if (agent.parkedNow) return this.#beginTurn(agent)
    if (agent.prompts && agent.waitingMail > 0) return this.#beginTurn(agent)
    const next = afterTurn({
      taskFinal: agent.taskFinal,
      claimedDone: agent.claimed || !agent.prompts,
      openChildren: 0,
      openQuestionTo: agent.asking ? 'human' : null,
      reminded: agent.reminded,
      speaks: agent.prompts,
      persistent: false,
      attended: false,
    })
    switch (next.do) {
      case 'finish':
        return this.end(agent)
      case 'wait':
        if (agent.state === 'waiting' && agent.waitingOn === next.on) return
        this.#become(agent, 'waiting', next.on)
        if (next.on === 'merge') this.#merges.add(agent.id)
        return
      case 'remind':
      case 'fail':
        if (!turnEnded && (agent.state !== 'waiting' || !agent.prompts)) return
        if (turnEnded && next.do === 'fail') return this.end(agent)
        agent.reminded = true
        return this.#beginTurn(agent)
    }
  }

  #fail(agent: SimAgent, cause: FailureCause, amount: number) {
    if (!agent.works) return
    this.#fault()
    agent.setbacks++
    const proved = agent.turns > 1
    agent.midTurn = false
    agent.hung = false
    // Its tools ended with it, and nobody said so.
    agent.tool = false
    this.#rest(agent)
    agent.screen?.answer()
    const message = `The process ended in the middle of its turn (${cause}).`
    this.record(agent, 'runtime.failed', { cause, message })
    if (!isLimit(cause)) agent.outcomes.set(message, (agent.outcomes.get(message) ?? 0) + 1)
    if (!isLimit(cause) && agent.circle !== null) agent.circle.done = 0
    const dice = (amount % 100) / 100
    if (isLimit(cause) && agent.prompts) {
      const reset = [null, this.wall + (amount % 90) * MINUTE, this.wall - MINUTE, 5][amount % 4] ?? null
      if (agent.account.isProbe(agent)) this.saw('a limit was met by who asked')
      const next = agent.account.met(agent, { cause, resetAt: reset }, this.#moment(), dice)
      if (next === 'hopeless') return this.end(agent)
      if (cause !== 'auth' || proved) return this.#park(agent)
    } else agent.account.giveUp(agent)
    const restarts = this.restartsOf(agent)
    const next = afterFailure({
      cause,
      setbacks: agent.setbacks,
      dice,
      login: 'log in',
      again: null,
      goesOn: agent.prompts,
      restarts,
      unproven: false,
    })
    switch (next.do) {
      case 'retry':
      case 'renew':
        this.record(agent, 'agent.recovered', { why: cause })
        if (next.afterMs < (PAUSES_MS[restarts] ?? 0))
          throw new Error(`started again for the ${restarts + 1}. time after ${next.afterMs} ms`)
        this.#restarted(agent)
        if (next.afterMs === 0) return this.#beginTurn(agent)
        agent.again = this.mono + next.afterMs
        return this.#become(agent, 'waiting', 'retry')
      case 'put-aside':
        if (restarts < MAX_RESTARTS) throw new Error('one was put aside that had not been started again too often')
        this.saw('put aside')
        return this.end(agent)
      case 'fail':
        this.end(agent)
    }
  }

  #answer(agent: SimAgent): void {
    if (!agent.asking) return
    agent.asking = false
    agent.waitingMail++
    this.#wake(agent)
  }

  /** A runner that lives and waits looks around when something is committed, and each second. */
  #wake(agent: SimAgent): void {
    if (agent.runner === 'alive' && agent.state === 'waiting' && !agent.midTurn) this.#betweenTurns(agent, false)
  }

  /** Its runner looks at its screen: what may be answered is, what may not is said in its state. */
  #lookAtScreen(agent: SimAgent): void {
    if (agent.screen === null || agent.runner !== 'alive' || !agent.midTurn) return
    const { answered, held } = agent.screen.look(this.mono)
    if (answered !== null) {
      this.saw('a dialog was answered')
      this.record(agent, 'dialog.answered', { dialog: answered })
    }
    if (held?.why === agent.held?.why) return
    agent.held = held
    if (held === null) {
      if (agent.state === 'waiting') this.#become(agent, 'working')
      return
    }
    this.record(agent, 'runtime.waiting', { why: 'input', message: held.why, dialog: held.dialog })
    this.#become(agent, 'waiting', 'human', held.why)
    agent.overdue.delete('dialog')
  }

  #merge(green: boolean): void {
    const [id] = this.#merges
    const agent = this.agents.find((one) => one.id === id)
    if (agent === undefined) return
    this.#merges.delete(agent.id)
    if (green || !agent.prompts) agent.taskFinal = true
    else {
      // Back to its author, with mail.
      agent.claimed = false
      agent.waitingMail++
    }
    this.#wake(agent)
  }

  #kill(agent: SimAgent): void {
    if (agent.runner !== 'alive') return
    this.#fault()
    agent.diedAt = this.mono
    this.#stops(agent)
    agent.runner = 'dead'
  }

  /** Whatever ran of it does no more. */
  #stops(agent: SimAgent): void {
    // A turn that was to begin again is one that was cut off.
    if (agent.again !== null) agent.midTurn = true
    Object.assign(agent, { tool: false, hung: false, place: null, again: null, held: null })
    agent.screen?.answer()
    this.#rest(agent)
    // The right to ask ends with the process that has it.
    agent.account.giveUp(agent)
  }

  #moment() {
    return { now: this.wall, monotonic: this.mono, boot: 'this boot' }
  }

  #park(agent: SimAgent): void {
    if (!agent.parkedNow) agent.parked++
    Object.assign(agent, { parkedNow: true, midTurn: false, again: null })
    const stopped = agent.account.state(this.#moment()) === 'stopped'
    if (stopped) this.saw('parked until a person logs in')
    const on = stopped ? 'human' : 'rate_limit'
    if (agent.state !== 'waiting' || agent.waitingOn !== on) this.#become(agent, 'waiting', on)
  }

  end(agent: SimAgent): void {
    // What it has not read goes back to who sent it, and a park that its end cuts short is over.
    if (agent.parkedNow) agent.resumed++
    this.#stops(agent)
    this.#become(agent, 'ended')
    Object.assign(agent, { waitingMail: 0, runner: null, parkedNow: false, diedAt: null, asking: false })
    this.#merges.delete(agent.id)
    this.#dispatch()
  }

  takeUp(agent: SimAgent, as: 'resume' | 'restart-fresh' | 'reassign', by: 'ov' | 'person'): void {
    const { midTurn } = agent
    agent.fence++
    this.#stops(agent)
    agent.midTurn = midTurn || agent.midTurn
    agent.runner = null
    agent.diedAt = this.mono
    if (as === 'reassign') agent.restarts = []
    this.record(agent, as === 'reassign' ? 'agent.reassigned' : 'agent.recovered')
    if (by === 'person') agent.restarts.push({ wall: this.wall, by })
    else if (as !== 'reassign') this.#restarted(agent)
    this.#become(agent, 'queued')
    this.#dispatch()
  }

  // Those who look after the fleet.

  #dispatch(): void {
    for (const agent of this.agents) {
      const live = this.agents.filter(({ state }) => state !== 'queued' && state !== 'ended').length
      if (live >= PLACES) return
      if (agent.state !== 'queued') continue
      agent.fence += 2
      this.#become(agent, 'starting')
      this.record(agent, 'agent.starting')
      this.#gotOn(agent)
      agent.begun ??= { wall: this.wall, mono: this.mono }
      agent.runner = 'alive'
      agent.doubted = false
      if (agent.diedAt !== null) this.#counts.recovered.push(Math.max(0, this.mono - agent.diedAt))
      agent.diedAt = null
      // A runner that takes up one that waited for something waits for it again; else a turn begins.
      if (agent.parkedNow) this.#become(agent, 'waiting', 'rate_limit')
      else if (agent.turns > 0 && !agent.midTurn) {
        this.#become(agent, 'waiting')
        this.#betweenTurns(agent, false)
      } else this.#beginTurn(agent)
    }
  }

  restartsOf(agent: SimAgent): number {
    const since = this.wall - RESTART_WINDOW_MS
    return agent.restarts.filter(({ wall }) => wall >= since && wall <= this.wall).length
  }

  #restarted(agent: SimAgent): void {
    agent.restarts.push({ wall: this.wall, by: 'ov' })
    const since = this.wall - RESTART_WINDOW_MS
    const lately = agent.restarts.filter(({ wall, by }) => by === 'ov' && wall > since && wall <= this.wall)
    if (lately.length > MAX_RESTARTS) throw new Error(`started again ${lately.length} times within ten minutes`)
  }

  /** Whoever is sent to look after the fleet looks for themselves. */
  #reconcile(): void {
    for (const agent of this.agents) {
      if (!agent.open || agent.seenAs !== 'gone') continue
      if (agent.runner !== 'dead') throw new Error('one that lives was taken for dead')
      const next = afterDeath({
        taskFinal: agent.taskFinal,
        turns: agent.turns,
        prompts: agent.prompts,
        restarts: this.restartsOf(agent),
        able: true,
      })
      switch (next.do) {
        case 'end':
        case 'put-aside':
          if (next.do === 'put-aside' && this.restartsOf(agent) < MAX_RESTARTS)
            throw new Error('one was put aside that had not been started again too often')
          if (next.do === 'put-aside') this.saw('put aside')
          // Its work is in the queue: that it has died harms nobody.
          if (this.#merges.has(agent.id)) {
            agent.taskFinal = true
            this.#merges.delete(agent.id)
          }
          this.end(agent)
          break
        case 'start':
        case 'recover':
          agent.fence++
          agent.runner = null
          this.record(agent, next.do === 'start' ? 'agent.requeued' : 'agent.recovered')
          this.#become(agent, 'queued')
          this.#restarted(agent)
          break
        case 'leave':
          throw new Error('one was left that could be brought back')
      }
    }
    this.#tiers.tend()
    this.#needs.clear()
    this.#dispatch()
  }

  // Time, and those who watch.

  #fault(): void {
    if (!this.#calm) this.#counts.faults++
  }

  #setClock(ms: number): void {
    // Never to a whole second of before: states of two times would have begun at the same.
    this.wall += ms + ++this.#jumps
    for (const agent of this.agents) {
      agent.setBack += Math.max(0, -ms)
      agent.setAhead += Math.max(0, ms)
    }
  }

  #anotherWatcher(): void {
    this.#memory = NOTHING_YET
    this.#sights.clear()
    this.watch++
  }

  /** Time goes on, and nobody looks; when all sleep, nobody is silent either. */
  #gap(ms: number, why: 'nobody looks' | 'all sleep'): void {
    this.mono += ms
    this.#forgive()
    for (const agent of this.agents) {
      if (why === 'nobody looks') agent.cpu += agent.computing === null ? 0 : ms
      else Object.assign(agent, { silentSince: agent.silentSince + ms, busySince: agent.busySince + ms })
    }
  }

  /** What could not be seen is not held against anybody. */
  #forgive(): void {
    this.#needs.clear()
    for (const agent of this.agents) {
      agent.noticeableSince = null
      agent.overdue.clear()
    }
  }

  /** Time goes on; runners look around, and who watches looks when it is time. */
  #pass(ms: number): void {
    for (let left = ms; left > 0; ) {
      const stride = Math.min(left, this.#stride)
      left -= stride
      this.mono += stride
      this.wall += stride
      for (const agent of this.agents) {
        if (agent.computing !== null) agent.cpu += stride
        if (agent.parkedNow || agent.again !== null) this.#wake(agent)
        this.#lookAtScreen(agent)
      }
      this.#tiers.pass()
      this.#look()
    }
  }

  /** For so long nothing comes to pass by itself, as far as whoever watches can tell. */
  get #stride(): number {
    const soon = this.agents.some(({ runner, fence, reported, again, screen, held, doubted }) => {
      const isNews = runner === 'dead' && reported !== fence && !doubted && this.#watching
      return isNews || again !== null || (screen?.asks === true && held === null && runner === 'alive')
    })
    if (soon) return LOOK_MS
    const some = this.agents.some(({ place }) => place !== null) || this.#tiers.busy
    const untilNext = this.#watching ? Math.ceil((this.#next - this.mono) / SECOND) * SECOND : LONGEST_STRIDE_MS
    return Math.max(LOOK_MS, Math.min(untilNext, some ? LOOK_MS * 5 : LONGEST_STRIDE_MS))
  }

  #look() {
    if (!this.#watching) return this.#forgive()
    const open = this.agents.filter((agent) => agent.open)
    const seen = {
      at: { wall: this.wall, mono: this.mono },
      agents: open.map((agent) => this.#seenOf(agent)),
      places: PLACES,
      stranded: [],
      merges: [...this.#merges],
      landings: [],
      unmarked: [],
      escalations: this.#tiers.due,
      untold: false,
    }
    const gap = this.#memory.last === null
    const { verdicts, memory, next } = judge(seen, this.#memory, LIMITS, this.mono + LONGEST_STRIDE_MS)
    this.#memory = memory
    this.#next = next
    if (gap || verdicts.some((one) => one.do === 'note-gap')) {
      this.#forgive()
      for (const agent of open) agent.silentSince = Math.max(agent.silentSince, this.mono)
      for (const agent of open) agent.busySince = Math.max(agent.busySince, this.mono)
    }
    for (const verdict of verdicts) this.#carryOut(verdict)
    for (const agent of open) this.#checkNoticed(agent)
    for (const agent of open) this.#checkTakenUp(agent)
    this.#checkTended(verdicts)
  }

  /** What a watcher sees of an agent, as `src/watchdog/eyes.ts` puts it together. */
  #seenOf(agent: SimAgent): AgentSeen {
    const sight = this.#sightOf(agent)
    const { signs, given } = sight
    if (agent.state === 'working') sight.output = agent.said
    const mark = `${agent.stateSince}:${signs.event}:${sight.output}`
    hear(signs, { spoke: sight.mark !== '' && sight.mark !== mark, stateSince: agent.stateSince })
    sight.mark = mark
    const state = agent.state === 'ended' ? 'done' : agent.state
    const row = { state, waiting_on: agent.waitingOn, reason: agent.reason, state_since: agent.stateSince }
    const troubles = complaintsOf({ ...row, capability: agent.capability }, signs, this.wall, {
      reads: agent.prompts,
      age: sight.age === null ? null : sight.age.ms + this.mono - sight.age.at,
      deadlines: DEADLINES,
      timeLeft: (verdict) => {
        const at = given.get(verdict.id) ?? this.mono + timeGiven(verdict, this.wall)
        given.set(verdict.id, at)
        return at - this.mono
      },
    })
    return {
      id: agent.id,
      state,
      fence: agent.fence,
      runner: agent.seenAs,
      mark,
      screen: 0,
      busy: signs.tools > 0,
      persistent: false,
      reads: agent.prompts,
      tried: signs.tried.silence ?? NOTHING_TRIED,
      cpuMs: asksCpu(this.#memory, agent.id, this.mono) ? agent.cpu : null,
      troubles,
    }
  }

  #sightOf(agent: SimAgent): Sight {
    const known = this.#sights.get(agent.id)
    if (known !== undefined) return known
    const signs = this.told(agent)
    const { begun } = agent
    const age = begun === null ? null : { ms: Math.max(0, this.wall - begun.wall), at: this.mono }
    const sight = { signs, mark: '', output: 0, age, given: new Map() }
    this.#sights.set(agent.id, sight)
    return sight
  }

  #carryOut(verdict: Verdict) {
    switch (verdict.do) {
      case 'note-gap':
        return
      case 'report-gone': {
        const agent = this.#named(verdict.agent)
        if (agent.runner !== 'dead') throw new Error('one that lives was reported gone')
        if (agent.doubted) throw new Error('one of whom the kernel says nothing was reported gone')
        if (agent.fence !== verdict.fence) throw new Error('a death was reported of another owner')
        agent.reported = agent.fence
        if (agent.noticeableSince !== null) this.#counts.noticed.push(this.mono - agent.noticeableSince)
        return
      }
      case 'nudge':
        return this.#nudge(this.#named(verdict.agent), verdict)
      case 'raise':
        return this.#raise(this.#named(verdict.agent), verdict)
      case 'tend':
        return this.#reconcile()
      case 'merge':
        for (const id of verdict.because) this.#needs.delete(`merge:${id}`)
        this.#merge(true)
    }
  }

  #nudge(agent: SimAgent, verdict: Extract<Verdict, { do: 'nudge' }>) {
    if (agent.runner !== 'alive' || agent.doubted) throw new Error('one that is not known to live was nudged')
    if (!agent.prompts) throw new Error('a command was nudged')
    if (agent.fence !== verdict.fence) throw new Error('another owner was nudged')
    // As recorded: one that another watcher has given is not given again.
    const told = this.told(agent)
    if (!isToNudge(verdict, told)) return
    if (verdict.about === 'silence') this.#checkNudge(agent)
    else {
      const times = Math.max(0, ...agent.outcomes.values())
      if (times < LOOP_AFTER) throw new Error(`told of a loop after ${times} times of the same`)
    }
    this.saw(`nudged: ${verdict.about}`)
    const data =
      verdict.about === 'loop' ? { key: verdict.key } : { logSize: agent.said, nth: told.tried.silence.nudges + 1 }
    this.record(agent, 'agent.nudged', { about: verdict.about, stateSince: agent.stateSince, ...data })
    agent.waitingMail++
    if (verdict.about === 'loop') {
      this.#gotOn(agent)
      agent.toldOfLoop = true
    }
    // Some only needed that.
    if (agent.hung && agent.said % 3 === 0) {
      agent.hung = false
      this.#sign(agent)
    }
    if (agent.said % 2 === 0) agent.circle = null
  }

  #checkNudge(agent: SimAgent): void {
    const silent = this.mono - agent.silentSince
    if (silent < LIMITS.nudgeAfter) throw new Error(`nudged after ${silent} ms of silence`)
    if (agent.tool && this.mono - agent.busySince < LIMITS.toolLimit)
      throw new Error('nudged in a tool within its limit')
    if (agent.computing !== null && this.mono - agent.computing > MINUTE && silent < LIMITS.toolLimit)
      throw new Error('nudged though its processes compute')
    if (agent.lastNudge !== null && this.mono - agent.lastNudge < LIMITS.nudgeEvery)
      throw new Error('nudged again too soon')
    agent.nudges++
    agent.lastNudge = this.mono
    if (agent.nudges > LIMITS.nudges) throw new Error(`nudged ${agent.nudges} times for one silence`)
  }

  #raise(agent: SimAgent, verdict: Extract<Verdict, { do: 'raise' }>): void {
    if (agent.runner !== 'alive' || agent.doubted) throw new Error('one that is not known to live was raised')
    const { about } = verdict
    if (about === 'silence' && agent.nudges < LIMITS.nudges) throw new Error(`raised after ${agent.nudges} nudges`)
    if (about === 'loop' && !agent.toldOfLoop) throw new Error('raised for a loop of which it was not told')
    if (about === 'deadline') {
      const age = agent.begun === null ? 0 : this.mono - agent.begun.mono + agent.setAhead
      if (age < (DEADLINES[agent.capability] ?? Number.POSITIVE_INFINITY)) throw new Error('raised before its deadline')
    }
    if (about === 'silence') agent.saidAtRaise = agent.said
    this.#tiers.raise(verdict, agent)
  }

  // What a watcher must do, and how soon.

  #checkNoticed(agent: SimAgent): void {
    const noticeable = agent.runner === 'dead' && !agent.doubted && agent.reported !== agent.fence && agent.open
    if (!noticeable) agent.noticeableSince = null
    else agent.noticeableSince ??= this.mono
    if (agent.noticeableSince !== null && this.mono - agent.noticeableSince > NOTICED_MS)
      throw new Error(`a death was not noticed in ${NOTICED_MS} ms`)
  }

  /** Whoever is in trouble is nudged, judged or decided about in time: nobody is left alone with it. */
  #checkTakenUp(agent: SimAgent): void {
    for (const [about, isDue] of this.#troubles(agent)) {
      const isAlive = agent.runner === 'alive' && !agent.doubted
      const isTaken = this.#tiers.isAsked(agent) || this.#tiers.isEscalated(agent, about)
      const isGiven = this.mono < this.#givenUntil(agent, about)
      if (!isDue || !isAlive || isTaken || isGiven) agent.overdue.delete(about)
      else if (!agent.overdue.has(about)) agent.overdue.set(about, this.mono)
      const since = agent.overdue.get(about)
      const patience = about === 'loop' && !agent.toldOfLoop ? TOLD_MS : TAKEN_UP_MS
      if (since !== undefined && this.mono - since > patience)
        throw new Error(`one in trouble (${about}) was left alone for ${this.mono - since} ms`)
    }
  }

  /** Until when a verdict gives it time for this, monotonic: a watcher that comes later only knows what the wall clock says. */
  #givenUntil(agent: SimAgent, about: TroubleKind): number {
    const given = agent.given.get(about)
    if (given === undefined) return 0
    const { wall, ms } = given
    if (this.wall >= wall && this.wall < wall + ms)
      given.until = Math.max(given.until, this.mono + wall + ms - this.wall)
    return given.until
  }

  /** What is true of an agent, and would have somebody act. */
  #troubles(agent: SimAgent): [TroubleKind, boolean][] {
    const { circle, begun, screen } = agent
    const atWork = agent.works && agent.prompts
    const age = begun === null ? 0 : this.mono - begun.mono - agent.setBack
    const asks = agent.state === 'waiting' && agent.waitingOn === 'human'
    return [
      ['silence', atWork && this.mono >= this.#patienceWith(agent)],
      ['loop', atWork && circle !== null && circle.done >= LOOP_AFTER * (circle.kind === 'call' ? circle.period : 1)],
      ['dialog', asks && screen?.asks === true && agent.held !== null],
      [
        'deadline',
        agent.state !== 'queued' && !asks && age >= (DEADLINES[agent.capability] ?? Number.POSITIVE_INFINITY),
      ],
    ]
  }

  /** When the next rung of its silence is due, at the latest. */
  #patienceWith(agent: SimAgent): number {
    const { silentSince, lastNudge, busySince, computedUntil, computing } = agent
    const from = Math.max(silentSince, this.#givenUntil(agent, 'silence'))
    const toolsUntil = agent.tool ? Math.max(busySince, from) + LIMITS.toolLimit : 0
    const computed = Math.min(computing === null ? computedUntil : this.mono, from + LIMITS.toolLimit)
    return Math.max(Math.max(from, lastNudge ?? 0, computed) + LIMITS.nudgeAfter, toolsUntil)
  }

  /** While somebody watches, what is to be tended is. */
  #checkTended(verdicts: readonly Verdict[]): void {
    const free = this.agents.filter(({ state }) => state !== 'queued' && state !== 'ended').length < PLACES
    const there = new Set([
      ...[...this.#merges].map((id) => `merge:${id}`),
      ...this.#tiers.due,
      ...this.#tiers.late.map((id) => `question:${id}`),
      ...(free ? this.agents.filter(({ state }) => state === 'queued').map(({ id }) => `place:${id}`) : []),
    ])
    for (const key of this.#needs.keys()) if (!there.has(key)) this.#needs.delete(key)
    if (verdicts.some((one) => one.do === 'note-gap')) return
    for (const key of there) {
      const since = this.#needs.get(key) ?? this.mono
      this.#needs.set(key, since)
      if (this.mono - since > TENDED_MS) throw new Error(`${key.split(':')[0]} was not tended in ${TENDED_MS} ms`)
    }
  }

  #named(id: string): SimAgent {
    const found = this.agents.find((agent) => agent.id === id)
    if (found === undefined) throw new Error(`nobody is called ${id}`)
    return found
  }
}

/** Whether it has said anything since it was nudged last for its silence, as its log tells. */
function hasSpokenSinceNudge(agent: SimAgent, events: readonly EventRow[]): boolean {
  const nudge = events.findLast(({ type, data_json }) => type === 'agent.nudged' && /"silence"/.test(data_json))
  return nudge !== undefined && JSON.parse(nudge.data_json).logSize !== agent.said
}

/** Some calls are made again, some outcomes come again, some fail. */
function anyUse(amount: number, serial: number) {
  const ok = serial % 5 !== 0
  return { call: `call ${serial % 4}`, out: `out ${(amount + serial) % 23}`, ok, summary: ok ? 'done' : 'exit code 1' }
}

function circleUse({ kind, period, name, done }: Circle, serial: number) {
  if (kind === 'call') {
    const call = `circle ${name} ${done % period}`
    return { call, out: call, ok: true, summary: 'the same' }
  }
  const summary = `Error ${name}: the module could not be found`
  return { call: `other ${serial}`, out: summary, ok: false, summary }
}

const CAUSES: readonly FailureCause[] = [
  'rate_limit',
  'overloaded',
  'network',
  'crash',
  'rate_limit',
  'crash',
  'quota',
  'auth',
]
