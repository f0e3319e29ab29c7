import { MAX_RESTARTS } from '../../../src/agents/rules.ts'
import {
  canAnswer,
  DECISIONS,
  type Decision,
  decisionOf,
  needsTending,
  nextStep,
  type Standing as Standings,
} from '../../../src/escalation/rules.ts'
import { jsonIn } from '../../../src/runner/json-answer.ts'
import { type Deadlines, isToRaise } from '../../../src/watchdog/complaints.ts'
import { grantedIn, heldVerdict } from '../../../src/watchdog/judged.ts'
import type { Verdict as Watched } from '../../../src/watchdog/rules.ts'
import { type Signs, showsLife } from '../../../src/watchdog/signs.ts'
import type { Limits } from '../../../src/watchdog/silence.ts'
import {
  type Action,
  actionFor,
  patienceAfter,
  type Standing,
  type Stop,
  type Verdict,
  verdictSchema,
} from '../../../src/watchdog/triage-rules.ts'
import type { TroubleKind } from '../../../src/watchdog/trouble.ts'
import type { SimAgent } from './agent.ts'

/*
 * What is above the mechanical tier: a model that is asked, and answers what it likes or nothing, and those who decide
 * about an agent in trouble: whom it reports to, or a person. What follows from what they say are the real rules' answers.
 */

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** As `watchdog.tier1` and `tier3` have it. */
const TIMEOUT_MS = MINUTE
const AT_ONCE = 2
const PER_HOUR = 6
const CACHE_MS = 10 * MINUTE
const ANSWER_WITHIN_MS = 15 * MINUTE

export interface Fleet {
  readonly wall: number
  readonly mono: number
  /** By which right whoever watches now acts. */
  readonly watch: number
  readonly agents: readonly SimAgent[]
  readonly limits: Limits
  readonly deadlines: Deadlines
  /** Something that must have happened in one world or another. */
  saw(what: string): void
  record(agent: SimAgent, type: string, data?: Record<string, unknown>): void
  /** What the records say of it now, as whoever acts reads them. */
  told(agent: SimAgent): Signs
  /** What whoever watches now has seen of it; undefined where it has not looked yet. */
  seen(agent: SimAgent): Signs | undefined
  restartsOf(agent: SimAgent): number
  end(agent: SimAgent): void
  /** It is fenced, all its processes are ended, and it goes on by another runner. */
  takeUp(agent: SimAgent, as: Exclude<Stop['verdict'], 'give-up'>, by: 'ov' | 'person'): void
}

type Raise = Extract<Watched, { do: 'raise' }>

interface Question {
  readonly agent: SimAgent
  readonly fence: number
  readonly watch: number
  readonly about: TroubleKind
  readonly ms: number
  readonly digest: string
  /** What it had said when it was looked at. */
  readonly said: number
  readonly since: number
  /** When the answer comes, monotonic; null while it waits for a place. */
  until: number | null
  reply: string | null
}

interface Escalation {
  readonly id: string
  readonly agent: SimAgent
  readonly fence: number
  readonly about: TroubleKind
  readonly stateSince: number
  /** The event by which the present reader was asked, and what the agent had said by then. */
  asked: number
  said: number
  reader: SimAgent | 'human'
  askedMono: number
  state: 'open' | 'answered' | 'over'
  decision: Decision | null
}

/** What models say. */
const REPLIES: readonly (string | null)[] = [
  '{"verdict":"wait","minutes":5,"why":"It builds."}',
  'I think it hangs.\n```json\n{"verdict":"resume","why":"It hangs."}\n```',
  '{"verdict":"give-up","reason":"It can not be done.","why":"It goes in circles."}',
  '{"verdict":"restart-fresh","digest":"Begin with the tests.","why":"It is confused."}',
  'Kill it. It is of no use.',
  null,
  '{"verdict":"nudge","text":"Stop the server first.","why":"It waits for the server."}',
  '{"verdict":"kill","why":"It hangs."}',
  '{"verdict":"reassign","runtime":"codex","why":"Its runtime hangs."}',
  '{"verdict":"reassign","runtime":"nobody","why":"Its runtime hangs."}',
  '{"verdict":"ask-human","question":"Which port?","options":["80","443"],"why":"Only you know."}',
  '{"verdict":"wait","minutes":100000,"why":"It will be all right."}',
  '',
]

const ANSWERS = [
  'wait',
  'wait 20m',
  'nudge: try make',
  'stop: not worth it',
  'restart-fresh',
  'use port 80',
  '1',
] as const

export class Tiers {
  readonly #fleet: Fleet
  readonly #waiting: Question[] = []
  /** When questions were asked, on both clocks. */
  #asked: { readonly wall: number; readonly mono: number }[] = []
  #escalations: Escalation[] = []
  #mood = 0

  constructor(fleet: Fleet) {
    this.#fleet = fleet
  }

  /** What models, and people, will say next. */
  turnsTo(mood: number): void {
    this.#mood = mood
  }

  /** Whether somebody has taken an agent's trouble up, and is not done with it. */
  isAsked(agent: SimAgent): boolean {
    return this.#waiting.some((one) => one.agent === agent)
  }

  /** Somebody was asked about it, and has not answered. */
  #isOpen(agent: SimAgent, about: TroubleKind): boolean {
    return this.#escalations.some(
      (one) => one.agent === agent && one.fence === agent.fence && one.about === about && one.state === 'open',
    )
  }

  isEscalated(agent: SimAgent, about: TroubleKind): boolean {
    return this.#escalations.some(
      (one) => one.agent === agent && one.fence === agent.fence && one.about === about && one.state !== 'over',
    )
  }

  /** Questions are under way. */
  get busy(): boolean {
    return this.#waiting.length > 0
  }

  /** Whoever was at it is killed. */
  die(): void {
    this.#waiting.length = 0
  }

  // The mechanical tier hands up.

  raise(raise: Raise, agent: SimAgent): void {
    const { fleet } = this
    const told = fleet.told(agent)
    const situation = { state: agent.state, reason: agent.reason, capability: agent.capability }
    const bounds = { reads: agent.prompts, nudges: fleet.limits.nudges, deadlines: fleet.deadlines }
    if (agent.fence !== raise.fence || !agent.open || !isToRaise(raise, situation, told, bounds)) return
    if (this.#isOpen(agent, raise.about)) throw new Error(`raised though a tier above has it (${raise.about})`)
    if (!told.raised.includes(raise.about)) fleet.record(agent, 'agent.raised', { about: raise.about, ms: raise.ms })
    fleet.saw(`raised: ${raise.about}`)
    if (this.isAsked(agent)) return
    const { about, ms, fence } = raise
    const { said } = agent
    const { signs, granted } = this.#known(agent, { about, fence })
    const digest = JSON.stringify([agent.id, fence, about, granted.nudged, signs.event, said])
    const last = agent.recent.findLast(({ type }) => type === 'agent.triaged')
    const question = { agent, fence, about, ms, digest, said, watch: fleet.watch, since: fleet.mono }
    const held = heldVerdict(last, digest, fleet.wall, CACHE_MS)
    if (held !== null) {
      fleet.saw('a verdict that still held')
      this.#rule({ ...question, until: fleet.mono, reply: null }, held)
    } else this.#waiting.push({ ...question, until: null, reply: null })
    this.pass()
  }

  get fleet(): Fleet {
    return this.#fleet
  }

  #known(agent: SimAgent, trouble: { about: TroubleKind; fence: number }) {
    const triaged = agent.recent.filter(({ type }) => type === 'agent.triaged')
    return { signs: this.fleet.told(agent), granted: grantedIn(triaged, agent.recent, trouble) }
  }

  /** Time has passed: questions are asked where there is a place, and answers come. */
  pass(): void {
    const { mono } = this.fleet
    for (const question of [...this.#waiting]) {
      if (question.until === null) {
        if (this.#underWay < AT_ONCE) this.#ask(question)
        else if (mono - question.since >= TIMEOUT_MS) this.#close(question, null)
      } else if (mono >= question.until) this.#close(question, verdictIn(question.reply))
    }
  }

  get #underWay(): number {
    return this.#waiting.filter(({ until }) => until !== null).length
  }

  #ask(question: Question) {
    const { wall, mono } = this.fleet
    this.#asked = this.#asked.filter((one) => mono - one.mono < 4 * HOUR)
    if (this.#asked.filter((one) => one.wall >= wall - HOUR).length >= PER_HOUR) {
      this.fleet.saw('the budget for questions was used up')
      return this.#close(question, null)
    }
    this.#asked.push({ wall, mono })
    this.fleet.record(question.agent, 'triage.asked', { about: question.about })
    this.#mood = (this.#mood * 31 + 7) % 10_007
    question.reply = REPLIES[this.#mood % REPLIES.length] ?? null
    question.until = mono + (question.reply === null ? TIMEOUT_MS : (this.#mood % 40) * 1_000)
  }

  #close(question: Question, verdict: Verdict | null): void {
    this.#waiting.splice(this.#waiting.indexOf(question), 1)
    if (verdict === null) this.fleet.saw('no verdict')
    this.#rule(question, verdict)
  }

  // What code makes of a verdict.

  #rule(question: Question, verdict: Verdict | null): void {
    const { fleet } = this
    const { agent, about } = question
    // Another watcher, or another owner, has come meanwhile.
    if (question.watch !== fleet.watch || question.fence !== agent.fence || !agent.open) return
    const action: Action =
      verdict === null
        ? { do: 'ask-human', question: null, options: [], objection: null }
        : actionFor(verdict, this.#standing(question))
    const name = action.do === 'stop' ? action.as.verdict : action.do
    fleet.saw(`verdict: ${name}`)
    if (verdict !== null && verdict.verdict !== name) fleet.saw('a verdict that code did not carry out')
    if (action.do === 'ask-human') this.#escalate(question)
    if (action.do === 'stop') this.#checkStop(question)
    const waitMs = patienceAfter(action, fleet.limits.nudgeAfter)
    fleet.record(agent, 'agent.triaged', {
      about,
      fence: agent.fence,
      stateSince: agent.stateSince,
      verdict: name,
      waitMs,
      why: 'so',
      digest: question.digest,
      proposed: verdict,
    })
    if (action.do === 'nudge') agent.waitingMail++
    if (action.do === 'stop') this.#stop(agent, action.as)
  }

  #stop(agent: SimAgent, { verdict }: Stop): void {
    if (verdict === 'give-up') this.fleet.end(agent)
    else this.fleet.takeUp(agent, verdict, 'ov')
  }

  #standing({ agent, about, fence, ms, said }: Question): Standing {
    const { signs, granted } = this.#known(agent, { about, fence })
    return {
      about,
      raised: signs.raised.includes(about),
      alive: agent.seenAs === 'alive',
      stirred: agent.said !== said,
      tool: signs.tools > 0 && ms < this.fleet.limits.toolLimit,
      computes: agent.computing !== null,
      prompts: agent.prompts,
      persistent: false,
      mayRestart: this.fleet.restartsOf(agent) < MAX_RESTARTS,
      able: ['codex'],
      ...granted,
    }
  }

  /** What must be true, whatever a model said, when an agent is ended by its word. */
  #checkStop({ agent, about, said }: Question): void {
    if (agent.runner !== 'alive' || agent.doubted) throw new Error('one that is not known to live was ended by a model')
    if (!agent.prompts) throw new Error('a command was ended by a model')
    switch (about) {
      case 'dialog':
      case 'deadline':
        throw new Error(`one was ended by a model's word alone (${about})`)
      case 'loop':
        if (!agent.toldOfLoop) throw new Error('one was ended for a loop of which it was not told')
        return
      case 'silence':
        if (agent.saidAtRaise !== agent.said || agent.said !== said)
          throw new Error('one that made progress was ended by a model')
        if (agent.tool && this.fleet.mono - agent.toolSince < this.fleet.limits.toolLimit)
          throw new Error('one was ended in a tool within its limit')
        if (agent.computing !== null) throw new Error('one that computes was ended by a model')
    }
  }

  // Those above.

  #escalate({ agent, about, fence, said }: Pick<Question, 'agent' | 'about' | 'fence' | 'said'>): void {
    const { fleet } = this
    const same = this.#escalations.some(
      (one) => one.agent === agent && one.fence === fence && one.about === about && one.state === 'open',
    )
    if (same) return
    const reader = this.#superiorOf(agent)
    fleet.saw(reader === 'human' ? 'the human was asked' : 'whom it reports to was asked')
    fleet.record(agent, 'agent.escalated', { about, stateSince: agent.stateSince })
    this.#escalations.push({
      id: `escalation-${agent.id}-${fence}-${about}-${fleet.mono}`,
      agent,
      fence,
      about,
      said,
      asked: Number(agent.recent.at(-1)?.id ?? 0),
      stateSince: agent.stateSince,
      reader,
      askedMono: fleet.mono,
      state: 'open',
      decision: null,
    })
  }

  #superiorOf(below: SimAgent): SimAgent | 'human' {
    for (let above = below.parent; above !== null; above = above.parent) {
      const state = above.state === 'ended' ? ('done' as const) : above.state
      const escalated = this.#escalations.some((one) => one.agent === above && one.state === 'open')
      const superior = { state, waitingOn: above.waitingOn, waitingUntil: null, escalated }
      if (canAnswer(superior, this.fleet.wall, ANSWER_WITHIN_MS)) return above
    }
    return 'human'
  }

  /** Those that somebody has to look after, as a watcher sees it. */
  get due(): string[] {
    return this.#escalations
      .filter((one) => one.state !== 'over')
      .filter((one) => {
        const silent = this.fleet.seen(one.agent)?.tried.silence.taken ?? true
        const answered = one.state === 'answered'
        return needsTending({ ...this.#stands(one), answered, silent }, ANSWER_WITHIN_MS)
      })
      .map(({ id }) => id)
  }

  /** Those that somebody has not answered for as long as he may take. */
  get late(): string[] {
    const isLate = ({ state, reader, askedMono }: Escalation) =>
      state === 'open' && reader !== 'human' && this.fleet.mono - askedMono >= ANSWER_WITHIN_MS
    return this.#escalations.filter(isLate).map(({ id }) => id)
  }

  #stands(one: Escalation): Omit<Standings, 'showsLife'> {
    return {
      about: one.about,
      sameOwner: one.agent.open && one.agent.fence === one.fence,
      movedOn: one.agent.stateSince !== one.stateSince,
      reader: one.reader === 'human' ? 'human' : one.reader.open ? 'able' : 'gone',
      waitedMs: this.fleet.mono - one.askedMono,
    }
  }

  /** As whoever looks after the fleet does it. */
  tend(): void {
    for (const one of this.#escalations) {
      if (one.state === 'answered') this.#carryOut(one)
      if (one.state !== 'open') continue
      const since = one.agent.recent.filter(({ id }) => Number(id) > one.asked)
      const showsLife = since.some(showsLifeOf) || one.agent.said !== one.said
      const next = nextStep({ ...this.#stands(one), showsLife }, ANSWER_WITHIN_MS)
      switch (next.do) {
        case 'keep':
        case 'count-anew':
          break
        case 'settle':
          one.state = 'over'
          this.fleet.saw('nobody had to answer any more')
          if (one.agent.open) this.fleet.record(one.agent, 'agent.escalation-settled', { about: one.about })
          break
        case 'go-up':
          this.fleet.saw(`the next above was asked: ${next.why}`)
          one.reader = one.reader === 'human' ? 'human' : this.#superiorOf(one.reader)
          one.askedMono = this.fleet.mono
          this.fleet.record(one.agent, 'agent.escalated', { about: one.about, stateSince: one.agent.stateSince })
          one.asked = Number(one.agent.recent.at(-1)?.id ?? 0)
          one.said = one.agent.said
      }
    }
    this.#escalations = this.#escalations.filter(({ state }) => state !== 'over')
  }

  /** Whoever was asked answers the oldest question there is. */
  answer(mood: number, by: 'human' | 'agent'): void {
    const one = this.#escalations.find(
      ({ state, reader }) => state === 'open' && (reader === 'human') === (by === 'human'),
    )
    if (one === undefined) return
    if (one.reader !== 'human' && !one.reader.works) return
    const { agent, about } = one
    if (!agent.open || agent.fence !== one.fence) {
      one.state = 'over'
      return
    }
    const decision = decisionOf(ANSWERS[mood % ANSWERS.length] ?? 'wait', [...DECISIONS])
    if (!('do' in decision)) throw new Error(`an answer was not understood: ${decision.unclear}`)
    this.fleet.saw(`answered: ${decision.do}`)
    const { nudgeAfter } = this.fleet.limits
    const verdict = { wait: 'wait', say: 'nudge', 'restart-fresh': 'restart-fresh', stop: 'give-up' }[decision.do]
    const waitMs = decision.do === 'wait' ? decision.ms : nudgeAfter
    const data = {
      about,
      fence: one.fence,
      stateSince: agent.stateSince,
      verdict,
      waitMs,
      why: 'so',
      digest: null,
      proposed: null,
    }
    this.fleet.record(agent, 'agent.triaged', data)
    if (decision.do === 'say') agent.waitingMail++
    const acts = decision.do === 'stop' || decision.do === 'restart-fresh'
    one.decision = decision
    one.state = acts ? 'answered' : 'over'
    // Who answers may be killed before it is carried out.
    if (acts && mood % 2 === 0) this.#carryOut(one)
  }

  #carryOut(one: Escalation): void {
    one.state = 'over'
    const { agent, decision } = one
    if (!agent.open || agent.fence !== one.fence || decision === null) return
    if (decision.do === 'stop') this.fleet.end(agent)
    else if (decision.do === 'restart-fresh') this.fleet.takeUp(agent, 'restart-fresh', 'person')
  }
}

function showsLifeOf(event: { readonly type: string }): boolean {
  return showsLife(event)
}

/** As whoever asks takes it out of what a model said; null: there is none. */
function verdictIn(reply: string | null): Verdict | null {
  for (const value of jsonIn(reply ?? '')) {
    const verdict = verdictSchema.safeParse(value)
    if (verdict.success) return verdict.data
  }
  return null
}
