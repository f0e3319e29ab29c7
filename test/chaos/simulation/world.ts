import { afterDeath, afterFailure, afterTurn, MAX_RESTARTS, RESTART_WINDOW_MS } from '../../../src/agents/rules.ts'
import type { FailureCause } from '../../../src/contract/runtime.ts'
import {
  afterHit,
  isHopeless,
  isLimit,
  type Limit,
  placeInLine,
  stateOfLimit,
  type Waits,
} from '../../../src/limits/rules.ts'
import type { Liveness } from '../../../src/os/process.ts'
import { type AgentSeen, judge, type Memory, NOTHING_YET, type Verdict } from '../../../src/watchdog/rules.ts'
import type { Limits, Tried } from '../../../src/watchdog/silence.ts'

/*
 * A world of agents, runners, a kernel that sometimes does not answer, watchers that come and go, and two clocks. What
 * decides in it are the real rules; all they are told is made here, and all they decide is carried out here, as the
 * stories around them do it. What must never be is an error as soon as it is.
 */

/** What a world has to show in the end, added up over all of them. */
export interface Counts {
  faults: number
  /** How long each death went unnoticed while somebody watched and the kernel answered, in ms of that world. */
  noticed: number[]
  /** From each death until its agent was at work again. */
  recovered: number[]
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
const LIMITS: Limits = { nudgeAfter: 2 * MINUTE, nudgeEvery: 2 * MINUTE, nudges: 3, toolLimit: 10 * MINUTE }
const WAITS: Waits = { backoff: MINUTE, longest: 30 * MINUTE, spacing: 5 * SECOND }
const AGENTS = 5
const PLACES = 3
/** Somebody who watches looks at least so often. */
const LOOK_MS = SECOND
/** So long one that asks may take until it has shown whether it works. */
const PROBE_MS = 5 * MINUTE
/** Who has slept longer than this knows it. */
const SLEEP_MS = 20 * SECOND
/** A death is known so soon after the kernel says so, as long as somebody watches. */
const NOTICED_MS = 2 * SECOND
/** What is to be tended is, as long as somebody watches: after its grace, and then at least so often. */
const TENDED_MS = 66 * SECOND
/** When nothing breaks any more, all come to their end within this. A limit may last an hour and be met again. */
const QUIET_MS = 10 * 60 * MINUTE

type State = 'queued' | 'starting' | 'working' | 'waiting' | 'ended'

class SimAgent {
  readonly id: string
  /** Its runtime understands prompts; one that does not is a command, which is not run twice. */
  readonly prompts: boolean
  state: State = 'queued'
  waitingOn: 'human' | 'merge' | 'rate_limit' | 'mail' | null = null
  fence = 0
  turns = 0
  /** Its runner, if it has one; what the kernel says of it may be nothing. */
  runner: 'alive' | 'dead' | null = null
  doubted = false
  diedAt: number | null = null
  /** Since when nothing has kept its death from being noticed; null while something does. */
  noticeableSince: number | null = null
  reported = 0
  midTurn = false
  hung = false
  tool = false
  sign = 0
  /** Monotonic, less the time in which nobody could have known better. */
  silentSince = 0
  busySince = 0
  nudges = 0
  lastNudge: number | null = null
  taken = false
  verdict: { id: number; until: number } | null = null
  reminded = false
  claimed = false
  asking = false
  setbacks = 0
  /** It waits for the end of a limit; `place`: its turn in the line of those that go on, monotonic. */
  parkedNow = false
  place: number | null = null
  /** How often it was parked, and taken up again. */
  parked = 0
  resumed = 0
  /** When it was started again, as the records have it, and as it truly was. */
  readonly restarts: { wall: number; mono: number }[] = []
  taskFinal = false
  /** Mail on its way to it, and what of it has arrived. */
  waitingMail = 0

  constructor(id: string, prompts: boolean) {
    this.id = id
    this.prompts = prompts
  }

  get open(): boolean {
    return this.state !== 'ended'
  }

  get seenAs(): Liveness | null {
    if (this.runner === null) return null
    if (this.doubted) return 'unknown'
    return this.runner === 'alive' ? 'alive' : 'gone'
  }
}

/**
 * Runs one world through its steps, each decided by a number, and then lets it come to rest. A small number is a step
 * that does little: what fast-check makes of a failure is the least that still fails.
 *
 * @throws {Error} what must never be, as soon as it is
 */
export function simulate(choices: readonly number[], counts: Counts): void {
  const world = new World(counts)
  for (const choice of choices) world.step(choice)
  world.comeToRest()
}

class World {
  readonly #counts: Counts
  readonly #agents = Array.from({ length: AGENTS }, (_, index) => new SimAgent(`agent-${index}`, index !== 0))
  #mono = 10 * MINUTE
  #wall = 1_750_000_000_000
  #memory: Memory = NOTHING_YET
  #watching = true
  /** The train stands with work in its queue, and nobody at it. */
  readonly #merges = new Set<string>()
  /** What is to be tended, since when somebody could have known, and when it last was. */
  readonly #needs = new Map<string, number>()
  #verdicts = 0
  /** What holds up the account that all of them share, who has the right to ask whether it is over, and until when. */
  #limit: Limit | null = null
  #probe: { readonly agent: SimAgent; readonly fence: number; readonly until: number } | null = null
  #lastPlace = Number.NEGATIVE_INFINITY
  #slung = 0
  /** Everything goes well from now on. */
  #calm = false

  constructor(counts: Counts) {
    this.#counts = counts
    this.#dispatch()
  }

  step(choice: number): void {
    const kind = choice % 32
    const who = this.#agents[Math.floor(choice / 32) % AGENTS]
    const amount = Math.floor(choice / (32 * AGENTS))
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
      case 10:
        this.#sign(who)
        break
      case 11:
        this.#tool(who)
        break
      case 12:
      case 13:
        this.#endTurn(who)
        break
      case 14:
        if (this.#works(who)) who.claimed = true
        this.#endTurn(who)
        break
      case 15:
        if (this.#works(who)) who.asking = true
        this.#endTurn(who)
        break
      case 16:
        this.#fail(who, CAUSES[amount % CAUSES.length] ?? 'unknown', amount)
        break
      case 17:
        this.#answer(who)
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
        this.#fault()
        // A command that hangs is a matter of deadlines, not of silence.
        who.hung = !who.hung && who.prompts && this.#works(who)
        break
      case 23:
        this.#fault()
        this.#wall += ((amount % 241) - 120) * MINUTE
        break
      case 24:
        // The machine sleeps; its monotonic clock may sleep with it.
        this.#fault()
        this.#wall += (amount % 120) * MINUTE
        if (amount % 2 === 0) this.#gap((amount % 120) * MINUTE)
        break
      case 25:
        // A watcher that is stopped, and goes on.
        this.#fault()
        this.#gap((amount % 60) * SECOND)
        break
      case 26:
        this.#fault()
        this.#watching = !this.#watching
        this.#memory = NOTHING_YET
        break
      case 27:
        // Another watcher takes over at once.
        this.#fault()
        this.#memory = NOTHING_YET
        break
      case 28:
        // Everything is killed, and brought up.
        this.#fault()
        for (const agent of this.#agents) this.#kill(agent)
        this.#memory = NOTHING_YET
        if (amount % 2 === 0) this.#reconcile()
        break
      case 29:
        if (who.open) who.waitingMail++
        break
      case 30:
      case 31:
        this.#sling(who)
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
    this.#memory = NOTHING_YET
    for (const agent of this.#agents) agent.doubted = false
    for (const from = this.#mono; this.#mono - from < QUIET_MS; ) {
      if (this.#agents.every(({ open }) => !open)) break
      this.#pass(10 * SECOND)
      for (const agent of this.#agents) {
        this.#answer(agent)
        if (!this.#works(agent) || agent.hung) continue
        if (agent.tool) this.#tool(agent)
        this.#sign(agent)
        agent.claimed = true
        this.#endTurn(agent)
      }
      this.#merge(true)
    }
    for (const agent of this.#agents) {
      if (agent.open)
        throw new Error(`one is ${agent.state} (${agent.waitingOn}) for ever, with nothing wrong any more`)
      if (agent.parked !== agent.resumed)
        throw new Error(`parked ${agent.parked} times, taken up ${agent.resumed} times`)
      if (agent.waitingMail > 0) throw new Error('mail was neither delivered nor sent back')
    }
  }

  // What agents and their runners do.

  /** A task takes the place of one that has ended. */
  #sling(ended: SimAgent): void {
    if (ended.open) return
    const slot = this.#agents.indexOf(ended)
    this.#agents[slot] = new SimAgent(`agent-${slot}-${++this.#slung}`, slot !== 0)
    this.#dispatch()
  }

  #works(agent: SimAgent): boolean {
    return agent.state === 'working' && agent.runner === 'alive' && agent.midTurn
  }

  #sign(agent: SimAgent): void {
    if (!this.#works(agent) || agent.hung) return
    agent.sign++
    if (this.#isProbe(agent)) this.#lift()
    this.#soundAgain(agent)
  }

  #soundAgain(agent: SimAgent): void {
    Object.assign(agent, { silentSince: this.#mono, nudges: 0, lastNudge: null, taken: false })
  }

  #tool(agent: SimAgent): void {
    if (!this.#works(agent) || agent.hung) return
    agent.tool = !agent.tool
    agent.busySince = this.#mono
    this.#sign(agent)
  }

  /** Its account decides whether, and when. */
  #beginTurn(agent: SimAgent) {
    if (!this.#mayBegin(agent)) return this.#park(agent)
    const state = stateOfLimit(this.#limit, this.#moment(), null)
    if (agent.prompts && state === 'held') throw new Error('a turn began though its account is held up')
    if (agent.prompts && state === 'due' && !this.#isProbe(agent))
      throw new Error('a turn began while another is asking whether the limit is over')
    if (agent.parkedNow) agent.resumed++
    agent.parkedNow = false
    agent.place = null
    agent.state = 'working'
    agent.waitingOn = null
    agent.midTurn = true
    agent.turns++
    // Handed over with the prompt, and seen in it.
    agent.waitingMail = 0
    agent.sign++
    this.#soundAgain(agent)
  }

  #endTurn(agent: SimAgent): void {
    if (!this.#works(agent) || agent.hung) return
    agent.midTurn = false
    agent.tool = false
    agent.setbacks = 0
    if (this.#isProbe(agent)) this.#lift()
    this.#betweenTurns(agent, true)
  }

  #betweenTurns(agent: SimAgent, turnEnded: boolean) {
    if (agent.parkedNow && !agent.taskFinal) return this.#beginTurn(agent)
    if (agent.prompts && agent.waitingMail > 0 && !agent.taskFinal) return this.#beginTurn(agent)
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
        return this.#end(agent)
      case 'wait':
        if (agent.state === 'waiting' && agent.waitingOn === next.on) return
        agent.state = 'waiting'
        agent.waitingOn = next.on === 'merge' || next.on === 'human' ? next.on : 'mail'
        if (next.on === 'merge') this.#merges.add(agent.id)
        return
      case 'remind':
        if (!turnEnded && agent.state !== 'waiting') return
        agent.reminded = true
        return this.#beginTurn(agent)
      case 'fail':
        if (turnEnded) this.#end(agent)
    }
  }

  #fail(agent: SimAgent, cause: FailureCause, amount: number) {
    if (!this.#works(agent) || agent.hung) return
    this.#fault()
    agent.setbacks++
    agent.midTurn = false
    agent.tool = false
    const reset = [null, this.#wall + (amount % 90) * MINUTE, this.#wall - MINUTE, 5][amount % 4] ?? null
    if (isLimit(cause) && cause !== 'auth') {
      const hit = { cause, resetAt: reset, byProbe: this.#isProbe(agent), evidence: null }
      this.#limit = afterHit(this.#limit, hit, this.#moment(), WAITS, (amount % 100) / 100)
      if (hit.byProbe) this.#probe = null
      const state = stateOfLimit(this.#limit, this.#moment(), null)
      if (state === 'free' || (hit.byProbe && state !== 'held'))
        throw new Error('what was met just now holds nobody up')
      return isHopeless(this.#limit, this.#wall) ? this.#end(agent) : this.#park(agent)
    }
    if (this.#isProbe(agent)) this.#probe = null
    const next = afterFailure({
      cause,
      setbacks: agent.setbacks,
      dice: (amount % 100) / 100,
      login: 'log in',
      again: null,
      goesOn: agent.prompts,
      restarts: this.#restartsOf(agent),
      unproven: false,
    })
    switch (next.do) {
      case 'retry':
      case 'renew':
        this.#restarted(agent)
        return this.#beginTurn(agent)
      case 'put-aside':
      case 'fail':
        this.#end(agent)
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
    if (agent.runner === 'alive' && agent.state === 'waiting' && !agent.hung) this.#betweenTurns(agent, false)
  }

  #merge(green: boolean): void {
    const [id] = this.#merges
    const agent = this.#agents.find((one) => one.id === id)
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
    agent.runner = 'dead'
    agent.diedAt = this.#mono
    agent.tool = false
    agent.hung = false
    agent.place = null
    // The right to ask ends with the process that has it.
    if (this.#probe?.agent === agent) this.#probe = null
  }

  // What its agents have in common: an account.

  #moment() {
    return { now: this.#wall, monotonic: this.#mono, boot: 'this boot' }
  }

  #isProbe(agent: SimAgent): boolean {
    return this.#probe?.agent === agent && this.#probe.fence === agent.fence
  }

  #lift(): void {
    if (this.#limit !== null) this.#limit = { ...this.#limit, liftedAt: this.#wall, nextMonotonic: null }
    this.#probe = null
    this.#lastPlace = Number.NEGATIVE_INFINITY
  }

  #park(agent: SimAgent): void {
    if (!agent.parkedNow) agent.parked++
    Object.assign(agent, { parkedNow: true, state: 'waiting', waitingOn: 'rate_limit', midTurn: false })
  }

  /** As `askPass` does it, by the same rules. */
  #mayBegin(agent: SimAgent): boolean {
    if (!agent.prompts) return true
    const limit = this.#limit
    const state = stateOfLimit(limit, this.#moment(), null)
    switch (state) {
      case 'held':
      case 'stopped':
        agent.place = null
        return false
      case 'due':
        if (this.#probe !== null && this.#mono < this.#probe.until) return false
        this.#probe = { agent, fence: agent.fence, until: this.#mono + PROBE_MS }
        return true
      case 'free': {
        if (agent.place !== null) return this.#mono >= agent.place
        if (limit === null || !agent.parkedNow) return true
        const { wait, next } = placeInLine(limit, this.#moment(), WAITS, (this.#mono % 7) / 7)
        this.#limit = { ...limit, nextMonotonic: next }
        agent.place = this.#mono + wait
        if (agent.place - this.#lastPlace < WAITS.spacing) throw new Error('two went on at once after a limit')
        this.#lastPlace = agent.place
        return wait === 0
      }
    }
  }

  #end(agent: SimAgent): void {
    // What it has not read goes back to who sent it, and a park that its end cuts short is over.
    agent.waitingMail = 0
    if (agent.parkedNow) agent.resumed++
    if (this.#probe?.agent === agent) this.#probe = null
    Object.assign(agent, {
      state: 'ended',
      waitingOn: null,
      runner: null,
      parkedNow: false,
      diedAt: null,
      tool: false,
      asking: false,
    })
    this.#merges.delete(agent.id)
    this.#dispatch()
  }

  // Those who look after the fleet.

  #dispatch(): void {
    for (const agent of this.#agents) {
      const live = this.#agents.filter(({ state }) => state !== 'queued' && state !== 'ended').length
      if (live >= PLACES) return
      if (agent.state !== 'queued') continue
      agent.fence += 2
      agent.state = 'starting'
      agent.runner = 'alive'
      agent.doubted = false
      if (agent.diedAt !== null) this.#counts.recovered.push(Math.max(0, this.#mono - agent.diedAt))
      agent.diedAt = null
      // A runner that takes up one that waited for something waits for it again; else a turn begins.
      if (agent.parkedNow) Object.assign(agent, { state: 'waiting', waitingOn: 'rate_limit', midTurn: false })
      else if (agent.turns > 0 && !agent.midTurn) {
        agent.state = 'waiting'
        this.#betweenTurns(agent, false)
      } else this.#beginTurn(agent)
    }
  }

  #restartsOf(agent: SimAgent): number {
    const since = this.#wall - RESTART_WINDOW_MS
    return agent.restarts.filter(({ wall }) => wall >= since && wall <= this.#wall).length
  }

  #restarted(agent: SimAgent): void {
    agent.restarts.push({ wall: this.#wall, mono: this.#mono })
    const lately = agent.restarts.filter(({ wall }) => wall > this.#wall - RESTART_WINDOW_MS && wall <= this.#wall)
    if (lately.length > MAX_RESTARTS) throw new Error(`started again ${lately.length} times within ten minutes`)
  }

  /** Whoever is sent to look after the fleet looks for themselves. */
  #reconcile(): void {
    for (const agent of this.#agents) {
      if (!agent.open || agent.seenAs !== 'gone') continue
      if (agent.runner !== 'dead') throw new Error('one that lives was taken for dead')
      const next = afterDeath({
        taskFinal: agent.taskFinal,
        turns: agent.turns,
        prompts: agent.prompts,
        restarts: this.#restartsOf(agent),
        able: true,
      })
      switch (next.do) {
        case 'end':
        case 'put-aside':
          if (next.do === 'put-aside' && this.#restartsOf(agent) < MAX_RESTARTS)
            throw new Error('one was put aside that had not been started again too often')
          // Its work is in the queue: that it has died harms nobody.
          if (this.#merges.has(agent.id)) {
            agent.taskFinal = true
            this.#merges.delete(agent.id)
          }
          this.#end(agent)
          break
        case 'start':
        case 'recover':
          agent.fence++
          agent.runner = null
          agent.state = 'queued'
          agent.waitingOn = null
          this.#restarted(agent)
          break
        case 'leave':
          throw new Error('one was left that could be brought back')
      }
    }
    this.#needs.clear()
    this.#dispatch()
  }

  // Time, and those who watch.

  #fault(): void {
    if (!this.#calm) this.#counts.faults++
  }

  /** Time goes on, and nobody looks. */
  #gap(ms: number): void {
    this.#mono += ms
    this.#forgive()
    // Shorter than that nobody can tell it from a busy machine.
    if (ms < SLEEP_MS) return
    for (const agent of this.#agents) {
      agent.silentSince += ms
      agent.busySince += ms
    }
  }

  /** What could not be seen is not held against anybody. */
  #forgive(): void {
    this.#needs.clear()
    for (const agent of this.#agents) agent.noticeableSince = null
  }

  /** Time goes on; runners look around each second, and so does who watches. */
  #pass(ms: number): void {
    for (let left = ms; left > 0; ) {
      const quiet = this.#agents.every(({ runner, state }) => runner !== 'dead' && state !== 'queued')
      const stride = Math.min(left, quiet && left > 10 * SECOND ? 5 * SECOND : LOOK_MS)
      left -= stride
      this.#mono += stride
      this.#wall += stride
      for (const agent of this.#agents) if (agent.parkedNow) this.#wake(agent)
      this.#look(stride)
    }
  }

  #look(stride = LOOK_MS) {
    if (!this.#watching) return this.#forgive()
    const open = this.#agents.filter((agent) => agent.open)
    const at = { wall: this.#wall, mono: this.#mono }
    const merges = [...this.#merges]
    const seen = {
      at,
      agents: open.map(seenOf),
      places: PLACES,
      stranded: [],
      merges,
      landings: [],
      unmarked: [],
      escalations: [],
      untold: false,
    }
    const gap = this.#memory.last === null
    const { verdicts, memory } = judge(seen, this.#memory, LIMITS, this.#mono + Math.max(stride, 5 * SECOND))
    this.#memory = memory
    if (gap || verdicts.some((one) => one.do === 'note-gap')) {
      this.#forgive()
      for (const agent of open) agent.silentSince = Math.max(agent.silentSince, this.#mono)
      for (const agent of open) agent.busySince = Math.max(agent.busySince, this.#mono)
    }
    for (const verdict of verdicts) this.#carryOut(verdict)
    for (const agent of open) this.#checkNoticed(agent)
    this.#checkTended(verdicts)
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
        if (agent.noticeableSince !== null) this.#counts.noticed.push(this.#mono - agent.noticeableSince)
        return
      }
      case 'nudge':
        if (verdict.about !== 'silence') throw new Error('nobody goes in circles in this world')
        return this.#nudge(this.#named(verdict.agent), verdict)
      case 'raise':
        return this.#raise(this.#named(verdict.agent))
      case 'tend':
        return this.#reconcile()
      case 'merge':
        for (const id of verdict.because) this.#needs.delete(`merge:${id}`)
        this.#merge(true)
    }
  }

  #nudge(agent: SimAgent, { fence, nth }: { fence: number; nth: number }): void {
    if (agent.runner !== 'alive' || agent.doubted) throw new Error('one that is not known to live was nudged')
    if (!agent.prompts) throw new Error('a command was nudged')
    if (agent.fence !== fence) throw new Error('another owner was nudged')
    const silent = this.#mono - agent.silentSince
    if (silent < LIMITS.nudgeAfter) throw new Error(`nudged after ${silent} ms of silence`)
    if (agent.tool && this.#mono - agent.busySince < LIMITS.toolLimit)
      throw new Error('nudged in a tool within its limit')
    // As recorded: one that another watcher has given is not given again.
    if (nth <= agent.nudges) return
    if (agent.lastNudge !== null && this.#mono - agent.lastNudge < LIMITS.nudgeEvery)
      throw new Error('nudged again too soon')
    agent.nudges++
    agent.lastNudge = this.#mono
    agent.waitingMail++
    if (agent.nudges > LIMITS.nudges) throw new Error(`nudged ${agent.nudges} times for one silence`)
    // Some only needed that.
    if (agent.hung && agent.sign % 3 === 0) {
      agent.hung = false
      this.#sign(agent)
    }
  }

  #raise(agent: SimAgent): void {
    if (agent.nudges < LIMITS.nudges) throw new Error(`raised after ${agent.nudges} nudges`)
    if (agent.taken) throw new Error('raised though a tier above has it')
    if (agent.runner !== 'alive' || agent.doubted) throw new Error('one that is not known to live was raised')
    if (this.#calm || agent.sign % 2 === 0) {
      // A person sees to it.
      agent.taken = true
      agent.hung = false
      this.#sign(agent)
    } else agent.verdict = { id: ++this.#verdicts, until: this.#wall + 5 * MINUTE }
  }

  #checkNoticed(agent: SimAgent): void {
    const noticeable = agent.runner === 'dead' && !agent.doubted && agent.reported !== agent.fence && agent.open
    if (!noticeable) agent.noticeableSince = null
    else agent.noticeableSince ??= this.#mono
    if (agent.noticeableSince !== null && this.#mono - agent.noticeableSince > NOTICED_MS)
      throw new Error(`a death was not noticed in ${NOTICED_MS} ms`)
  }

  /** While somebody watches, what is to be tended is. */
  #checkTended(verdicts: readonly Verdict[]): void {
    const free = this.#agents.filter(({ state }) => state !== 'queued' && state !== 'ended').length < PLACES
    const there = new Set([
      ...[...this.#merges].map((id) => `merge:${id}`),
      ...(free ? this.#agents.filter(({ state }) => state === 'queued').map(({ id }) => `place:${id}`) : []),
    ])
    for (const key of this.#needs.keys()) if (!there.has(key)) this.#needs.delete(key)
    if (verdicts.some((one) => one.do === 'note-gap')) return
    for (const key of there) {
      const since = this.#needs.get(key) ?? this.#mono
      this.#needs.set(key, since)
      if (this.#mono - since > TENDED_MS) throw new Error(`${key.split(':')[0]} was not tended in ${TENDED_MS} ms`)
    }
  }

  #named(id: string): SimAgent {
    const found = this.#agents.find((agent) => agent.id === id)
    if (found === undefined) throw new Error(`nobody is called ${id}`)
    return found
  }
}

function seenOf(agent: SimAgent): AgentSeen {
  const tried: Tried = { nudges: agent.nudges, taken: agent.taken, verdict: agent.verdict }
  return {
    id: agent.id,
    state: agent.state === 'ended' ? 'done' : agent.state,
    fence: agent.fence,
    runner: agent.seenAs,
    mark: `${agent.state}:${agent.sign}`,
    screen: 0,
    busy: agent.tool,
    persistent: false,
    reads: agent.prompts,
    tried,
    cpuMs: null,
    troubles: [],
  }
}

const CAUSES: readonly FailureCause[] = ['rate_limit', 'overloaded', 'network', 'crash', 'rate_limit', 'rate_limit']
