import {
  type AgentSeen,
  judge,
  type Limits,
  type Memory,
  NOTHING_TRIED,
  NOTHING_YET,
  type Verdict,
} from '../../../src/watchdog/rules.ts'

/** What a world has to show in the end, added up over all of them. */
export interface Counts {
  faults: number
  /** How long each death went unnoticed, in ms of that world. */
  noticed: number[]
  recovered: number[]
}

const LIMITS: Limits = { nudgeAfter: 120_000, nudgeEvery: 120_000, nudges: 3, toolLimit: 600_000 }
const LOOK_MS = 1_000
/** A death is known so soon after the kernel says so, as long as somebody watches. */
const NOTICED_MS = 2_000

interface SimAgent {
  readonly id: string
  fence: number
  dead: boolean
  /** When it died, on the monotonic clock; counted while somebody watches and the kernel answers. */
  diedAt: number
  doubted: boolean
  told: boolean
  sign: number
  lastSign: number
  busy: boolean
}

/**
 * Runs one world through its steps, each decided by a number. A number that is small is a step that does little: what
 * fast-check makes of a failure is the least that still fails.
 *
 * @throws {Error} what must never be, as soon as it is
 */
export function simulate(choices: readonly number[], counts: Counts): void {
  const world = new World(counts)
  for (const choice of choices) world.step(choice)
}

class World {
  readonly #counts: Counts
  readonly #agents: SimAgent[]
  #mono = 1_000_000
  #wall = 1_750_000_000_000
  #memory: Memory = NOTHING_YET
  #watching = true

  constructor(counts: Counts) {
    this.#counts = counts
    this.#agents = Array.from({ length: 4 }, (_, index) => ({
      id: `agent-${index}`,
      fence: 1,
      dead: false,
      diedAt: 0,
      doubted: false,
      told: false,
      sign: 0,
      lastSign: this.#mono,
      busy: false,
    }))
  }

  step(choice: number): void {
    const who = this.#agents[Math.floor(choice / 16) % this.#agents.length]
    if (who === undefined) return
    const amount = Math.floor(choice / 64)
    switch (choice % 16) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        this.#pass(LOOK_MS)
        break
      case 5:
        this.#pass((amount % 300) * 1_000)
        break
      case 6:
      case 7:
      case 8:
        this.#sign(who)
        break
      case 9:
        who.busy = !who.busy && !who.dead
        break
      case 10:
        if (!who.dead) {
          this.#counts.faults++
          Object.assign(who, { dead: true, diedAt: this.#mono, told: false, busy: false })
        }
        break
      case 11:
        this.#counts.faults++
        who.doubted = !who.doubted
        who.diedAt = this.#mono
        break
      case 12:
        this.#counts.faults++
        this.#wall += ((amount % 241) - 120) * 60_000
        break
      case 13:
        // Everything stands still: the machine sleeps, and its monotonic clock with it or without it.
        this.#counts.faults++
        this.#wall += (amount % 120) * 60_000
        if (amount % 2 === 0) this.#mono += (amount % 120) * 60_000
        for (const agent of this.#agents) agent.diedAt = this.#mono
        break
      case 14:
        this.#counts.faults++
        this.#watching = !this.#watching
        this.#memory = NOTHING_YET
        for (const agent of this.#agents) agent.diedAt = this.#mono
        break
      case 15:
        if (who.dead && who.told) Object.assign(who, { dead: false, told: false, fence: who.fence + 1 })
        this.#sign(who)
    }
    this.#look()
  }

  #sign(agent: SimAgent): void {
    if (agent.dead) return
    agent.sign++
    agent.lastSign = this.#mono
  }

  /** Time goes on, and somebody looks each second. */
  #pass(ms: number): void {
    for (let left = ms; left > 0; left -= LOOK_MS) {
      this.#mono += LOOK_MS
      this.#wall += LOOK_MS
      this.#look()
    }
  }

  #look(): void {
    if (!this.#watching) return
    const agents = this.#agents.map(
      ({ id, fence, dead, doubted, sign, busy }): AgentSeen => ({
        id,
        state: 'working',
        fence,
        runner: doubted ? 'unknown' : dead ? 'gone' : 'alive',
        mark: `${sign}`,
        busy,
        persistent: false,
        reads: true,
        tried: NOTHING_TRIED,
      }),
    )
    const at = { wall: this.#wall, mono: this.#mono }
    const seen = { at, agents, places: 10, stranded: [], merges: [], landings: [], unmarked: [], escalations: [] }
    const { verdicts, memory } = judge(seen, this.#memory, LIMITS, this.#mono + LOOK_MS)
    this.#memory = memory
    for (const verdict of verdicts) this.#check(verdict)
    for (const agent of this.#agents) this.#checkNoticed(agent)
  }

  #check(verdict: Verdict): void {
    if (verdict.do === 'report-gone') {
      const agent = this.#agents.find(({ id }) => id === verdict.agent)
      if (agent === undefined) throw new Error(`nobody is called ${verdict.agent}`)
      if (!agent.dead) throw new Error('one that lives was reported gone')
      if (agent.doubted) throw new Error('one of whom the kernel says nothing was reported gone')
      if (agent.fence !== verdict.fence) throw new Error('a death was reported of another owner')
      agent.told = true
      this.#counts.noticed.push(this.#mono - agent.diedAt)
    }
    if (verdict.do === 'nudge' || verdict.do === 'raise') {
      const agent = this.#agents.find(({ id }) => id === verdict.agent)
      if (agent === undefined || agent.dead || agent.doubted)
        throw new Error('one that is not known to live was nudged')
      if (this.#mono - agent.lastSign < LIMITS.nudgeAfter) throw new Error('one that is not silent was nudged')
    }
  }

  #checkNoticed(agent: SimAgent): void {
    if (agent.dead && !agent.doubted && !agent.told && this.#mono - agent.diedAt > NOTICED_MS)
      throw new Error(`a death was not noticed in ${NOTICED_MS} ms`)
  }
}
