import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { leaveWord, recollection } from '../agents/digest.ts'
import { endAgent } from '../agents/finish.ts'
import { recordFor } from '../agents/record.ts'
import { afterTurn, endOf } from '../agents/rules.ts'
import { dispatchQueued } from '../agents/start.ts'
import {
  type Agent,
  getAgent,
  isFenced,
  isOpen,
  openAgents,
  openChildren,
  setAgentState,
  stateOf,
  takeOver,
  updateAgent,
} from '../agents/store.ts'
import { type Conversation, transcriptOf } from '../agents/transcript.ts'
import { serveBroker } from '../broker/server.ts'
import type { AgentEvent, AgentRuntime } from '../contract/runtime.ts'
import { type AgentState, type EndState, isFinal } from '../contract/states.ts'
import { write } from '../db/open.ts'
import { messageOf, OvError } from '../errors.ts'
import { LIMIT_WORDS } from '../limits/words.ts'
import { isAllowed } from '../load/mode.ts'
import { plainText } from '../mail/frame.ts'
import { unansweredBy } from '../mail/questions.ts'
import { perform } from '../operations.ts'
import { watchDatabase } from '../os/files.ts'
import { ownIdentity } from '../os/process.ts'
import { letServerEnd } from '../os/tmux.ts'
import type { Project } from '../project.ts'
import { loadRuntimeOf } from '../runtimes/registry.ts'
import type { RuntimeChoice } from '../runtimes/routing.ts'
import { outputFile } from '../state-dir.ts'
import { step } from '../steps.ts'
import { getTask, type Task } from '../tasks/store.ts'
import { setUpWorktree } from '../worktrees/prepare.ts'
import { type Untouched, untouched } from '../worktrees/untouched.ts'
import { claimOnBehalf } from './claim.ts'
import { type Cli, cliOf } from './cli.ts'
import { type Counts, countsOf } from './counts.ts'
import { type Ground, groundOf } from './ground.ts'
import { guardVerdict } from './guard.ts'
import { type Handover, handoverFor } from './handover.ts'
import { Inbox, type Item } from './inbox.ts'
import { type Leaving, leavingOf } from './leaving.ts'
import { noting } from './notes.ts'
import { type Others, othersBeside } from './others.ts'
import { type Pane, paneOn } from './pane.ts'
import { fallbackFor, type Parking, parkingOf, type Wait } from './parking.ts'
import { isPassing } from './passing.ts'
import { CHOICES, GO_ON, MEND, TURN_OVER, WAIT_OVER } from './prompts.ts'
import { CHANGES_AGAIN, puttingBack } from './put-back.ts'
import { openRawLog, type RawLog } from './raw-log.ts'
import type { Hold } from './session.ts'
import { SessionIds } from './session-ids.ts'
import { type Setbacks, setbacksOf } from './setback.ts'
import { Turns } from './turns.ts'
import { isWokenByMail } from './wake.ts'
import { reportWords } from './words.ts'
import { furnish, type Workplace } from './workplace.ts'

const TICK_MS = 1_000
/** Every so many ticks a runner looks after the rest of the fleet too. */
const OTHERS_TICKS = 5
/** What was sent to an idle CLI and not echoed for this long was not taken. */
const ECHO_PATIENCE_MS = 60_000

/**
 * Owns one agent from its start to its end. Losing it to another owner (a higher fence) ends this runner without
 * another write.
 *
 * @param fence the fence its starter was given; a later start has made this one stale
 */
export async function runAgent(project: Project, agentId: string, fence: number): Promise<void> {
  step('runner.began')
  const agent = await write(project.db, async (tx) => {
    const row = await getAgent(tx, agentId)
    if (row?.fence !== fence) return null
    return takeOver(tx, row, ['starting'], ownIdentity(), 'starting', project.clock.now())
  })
  if (agent === null) return
  step('runner.owned')
  // It was changed for the worse since the task was slung: another start would meet the same.
  if (project.misconfigured !== null) {
    return endAgent(project, agent, { name: 'failed', reason: reasonOf(project.misconfigured) })
  }
  const task = await getTask(project.db, agent.task_id)
  if (!task) throw new Error(`agent ${agent.id} has no task`)
  const runner = new Runner(project, agent, task, await loadRuntimeOf(agent))
  try {
    await runner.run()
  } catch (error) {
    if (isFenced(error)) return
    if (isPassing(error)) return await runner.outlast(reasonOf(error))
    await runner.end({ name: 'failed', reason: reasonOf(error) })
    throw error
  } finally {
    await runner.close()
    await dispatchQueued(project)
  }
}

/**
 * One agent's runner: everything that happens comes through one inbox, one thing at a time.
 *
 * ```
 *  prepare ──► turn ──► between turns ──► turn …
 *                           │ rules: wait (merge, children, an answer), remind, finish, fail
 *                           ▼
 *                          end
 * ```
 */
class Runner {
  readonly #project: Project
  readonly #agent: Agent
  readonly #task: Task
  readonly #runtime: AgentRuntime
  readonly #place: Workplace
  readonly #interactive: boolean
  readonly #inbox = new Inbox()
  readonly #pane: Pane
  readonly #log: RawLog
  readonly #ids: SessionIds
  readonly #transcript: Conversation | undefined
  readonly #handover: Handover
  readonly #cli: Cli
  readonly #counts: Counts
  readonly #turns: Turns
  readonly #ground: Ground
  /** Its worktree, where its role may look and not change. */
  readonly #untouched: Untouched | null
  /** Puts back what it changed there; true: it goes on doing so. */
  readonly #putBack: () => Promise<boolean>
  readonly #parking: Parking
  readonly #setbacks: Setbacks
  readonly #leaving: Leaving
  readonly #others: Others
  readonly #noteOf: ReturnType<typeof noting>
  readonly #closers: (() => unknown)[] = []
  #ticks = 0
  /** What was to be said in a turn that could not begin. */
  #unsaid: string | null = null
  /** Its CLI is started again at that time, by the monotonic clock. */
  #again: { readonly at: number; readonly anew: boolean } | null = null
  /** What a person was told to do, so that it goes on. */
  #held: Hold | null = null

  constructor(project: Project, agent: Agent, task: Task, runtime: AgentRuntime) {
    this.#project = project
    this.#agent = agent
    this.#task = task
    this.#runtime = runtime
    this.#interactive = agent.mode === 'interactive'
    const place = furnish(project, agent, runtime)
    const { redact, worktree } = place
    this.#place = place
    const note = (type: string, data: Record<string, unknown>) => this.#note(type, data)
    const inbox = this.#inbox
    this.#noteOf = noting(redact)
    // On an interactive agent's screen nobody else writes.
    this.#pane = paneOn(process.stdout, redact, () => this.#interactive && this.#cli.session?.alive === true)
    this.#log = openRawLog(outputFile(project, agent), redact, ({ message }) =>
      inbox.put({ is: 'note', type: 'log.broken', data: { why: message } }),
    )
    this.#turns = new Turns(agent, project.clock)
    this.#ids = new SessionIds(runtime, agent, place.sessionId)
    const conversations = { ...place, ...(this.#interactive ? { interactive: { repository: project.root } } : {}) }
    this.#transcript = transcriptOf(runtime, conversations, () => this.#ids.known)
    this.#counts = countsOf(project, agent, runtime, { place: conversations, ids: this.#ids })
    this.#handover = handoverFor(project, agent, runtime, place, this.#transcript)
    this.#ground = groundOf(project, agent, task, worktree)
    this.#untouched = project.roles[agent.capability].readOnly
      ? untouched(project, agent.id, worktree, join(place.privateDir, 'untouched.index'))
      : null
    this.#putBack = puttingBack(project, agent, this.#untouched, note)
    this.#parking = parkingOf(project, agent, runtime)
    this.#setbacks = setbacksOf(project, agent, runtime, { redact, note, parking: this.#parking })
    this.#others = othersBeside(
      project,
      (type, data) => inbox.put({ is: 'note', type, data }),
      () => inbox.put({ is: 'wake' }),
    )
    const own = { project, agent, runtime, place, handover: this.#handover }
    this.#cli = cliOf({ ...own, task, ids: this.#ids, log: this.#log, inbox })
    this.#leaving = leavingOf({
      ...own,
      ground: this.#ground,
      cli: this.#cli,
      counts: this.#counts,
      pane: this.#pane,
    })
  }

  async run(): Promise<void> {
    const unfit = await this.#prepare()
    if (unfit !== null) return this.end({ name: 'failed', reason: unfit })
    await this.#parking.open()
    let outcome: EndState | 'lost' | null = await this.#betweenTurns()
    if (outcome === 'lost') return
    // The agent is at its first turn: nothing else is to be done just now.
    this.#others.prepare()
    while (outcome === null) {
      const handled = await this.#handle(await this.#inbox.next())
      if (handled === 'lost') return
      outcome = handled
    }
    await this.end(outcome)
    await this.#others.ended()
  }

  end(state: EndState): Promise<void> {
    return this.#leaving.end(state)
  }

  outlast(why: string): Promise<void> {
    return this.#leaving.outlast(why, this.#turns.count)
  }

  async close(): Promise<void> {
    const { db, tmux } = this.#project
    if (tmux !== null && (await openAgents(db)).length === 0) await letServerEnd(tmux)
    for (const close of this.#closers.splice(0)) await close()
    this.#log.close()
  }

  /** Broker, worktree, set-up, CLI. Gives what went wrong, or null. */
  async #prepare(): Promise<string | null> {
    const { worktree, environment, redact } = this.#place
    this.#pane.title(`${this.#agent.name} · ${this.#runtime.title} · ${this.#task.title}`)
    await this.#listen()
    await this.#ground.prepare()
    step('prepare.worktree')
    // Where a turn has run already, set-up could undo what it did.
    const unfit = this.#agent.turns > 0 ? null : await setUpWorktree(this.#project, worktree, environment)
    if (unfit !== null) return redact(unfit)
    step('prepare.set-up')
    await this.#cli.open()
    return null
  }

  /** Whatever can happen comes into the inbox from now on, until this is closed. */
  async #listen(): Promise<void> {
    const broker = await serveBroker(this.#place.brokerPath, (op, input, gone) => this.#serve(op, input, gone))
    const ticker = setInterval(() => this.#inbox.put({ is: 'tick' }), TICK_MS)
    const unwatch = watchDatabase(this.#project.databasePath, () => this.#inbox.put({ is: 'wake' }))
    this.#closers.push(
      () => broker.close(),
      () => clearInterval(ticker),
      unwatch,
    )
    const onTerm = () => this.#inbox.put({ is: 'signal' })
    // The terminal going away (its tmux server was killed) is no reason to stop: the agent has pipes of its own, or
    // ends by itself.
    const ignore = () => undefined
    process.on('SIGTERM', onTerm).on('SIGHUP', ignore)
    // On its own screen, what a person types is meant for the CLI.
    process.on('SIGINT', this.#interactive ? ignore : onTerm)
    if (this.#interactive) process.on('SIGQUIT', ignore).on('SIGTSTP', ignore)
  }

  /** A prompt that got no answer may leave its context again. */
  get #takesBack(): boolean {
    return this.#runtime.transcript?.renews !== undefined
  }

  /** Gives the final state when the agent is at its end, `lost` when it has another owner, null to go on. */
  async #handle(item: Item): Promise<EndState | 'lost' | null> {
    switch (item.is) {
      case 'event':
        return this.#onEvent(item.event, item.noted)
      case 'wake':
        return this.#lookAround()
      case 'tick':
        return this.#onTick()
      case 'signal':
        return { name: 'stopped', reason: 'Its runner was told to stop.' }
      case 'note':
        await this.#note(item.type, item.data)
        return null
    }
  }

  async #onEvent(event: AgentEvent, noted = false): Promise<EndState | 'lost' | null> {
    this.#turns.hear(event)
    this.#pane.event(event)
    const note = noted ? null : this.#noteOf(event)
    if (note !== null) await this.#note(note.type, note.data)
    await this.#parking.heard(event.type)
    switch (event.type) {
      case 'started':
        if (this.#ids.tell(event.session)) {
          await updateAgent(this.#project.db, this.#agent, { session: this.#ids.known })
          await this.#note('runtime.started', { model: event.model ?? null, version: event.version ?? null })
        }
        return null
      case 'turn_start':
        if (!this.#takesBack) await this.#handover.settle()
        // A person's prompt, typed while it waited.
        if (this.#interactive) await this.#workAgain()
        return null
      case 'accepted':
        this.#ids.proven()
        if (!this.#takesBack) await this.#handover.accepted(event.text ?? '')
        return null
      case 'usage':
        await this.#counts.add(event)
        return null
      case 'ask': {
        const guarded = { worktree: this.#place.worktree, readOnly: this.#untouched !== null }
        this.#cli.session?.answer(event.ask, guardVerdict(event.ask, guarded))
        return null
      }
      case 'turn_end':
        step('turn.over')
        this.#setbacks.over()
        await this.#counts.takeIn()
        // On its own screen a turn ends in silence, whatever became of it.
        await (this.#interactive && this.#takesBack ? this.#handover.seen({ ended: true }) : this.#handover.settle())
        step('turn.settled')
        // What is claimed on its behalf is part of its turn: cut off before that, it is told to go on, and then claimed for.
        if (event.claim !== 'done') await updateAgent(this.#project.db, this.#agent, { mid_turn: 0 })
        await this.#ground.keep()
        step('turn.kept')
        if (await this.#putBack()) return { name: 'failed', reason: CHANGES_AGAIN }
        return event.claim === 'done' ? this.#claimForIt() : this.#betweenTurns()
      case 'failed':
        return this.#onFailure(event)
      case 'text':
      case 'tool_start':
      case 'tool_end':
      case 'rate_limited':
      case 'retrying':
      case 'waiting':
      case 'unknown':
        return null
    }
  }

  /** Its runtime runs no command, so what others type is done for it: it is done, and its words go to who asked for some. */
  async #claimForIt(): Promise<EndState | 'lost' | null> {
    const { prompts } = this.#runtime.can
    // What waits belongs to its task: it claims when it has had it.
    const more = prompts ? await this.#handover.nextPrompt() : null
    if (more !== null) return this.#beginTurn(more)
    const words = this.#place.redact(plainText(this.#turns.said).trim())
    const refused = await claimOnBehalf(this.#project, this.#agent, prompts ? words || this.#task.title : null)
    await updateAgent(this.#project.db, this.#agent, { mid_turn: 0 })
    if (refused === null) {
      if (prompts) await this.#passOnWords()
      return this.#betweenTurns()
    }
    const me = await getAgent(this.#project.db, this.#agent.id)
    if (prompts && me?.reminded === 0) return this.#remind(refused, MEND)
    return {
      name: 'failed',
      reason: prompts && words !== '' ? `${refused} It said:\n${words.slice(0, 2000)}` : refused,
    }
  }

  async #onFailure(event: Extract<AgentEvent, { type: 'failed' }>): Promise<EndState | 'lost' | null> {
    if (await this.#putBack()) return { name: 'failed', reason: CHANGES_AGAIN }
    const { unproven, told } = this.#ids
    const next = await this.#setbacks.meet(event, {
      unproven,
      lost: told !== undefined && this.#transcript?.isThere(told) === false,
      works: this.#turns.works,
      attempt: this.#turns.attempt(this.#cli.session),
    })
    switch (next.do) {
      case 'end':
        return next.state
      case 'give-way':
        return this.#giveWay(next.why)
      case 'take-up':
        return this.#takeUpAfter(next.afterMs, next.anew)
      case 'park':
        // A runtime that echoes still has what was sent, and takes it next, as long as it lives.
        if (!this.#runtime.can.echo) await this.#handover.withdraw()
        return this.#betweenTurns()
    }
  }

  async #takeUpAfter(ms: number, anew: boolean): Promise<EndState | 'lost' | null> {
    if (ms === 0) return this.#takeUp(anew)
    const { clock } = this.#project
    this.#again = { at: clock.monotonic() + ms, anew }
    await this.#become({ name: 'waiting', on: 'retry', until: clock.now() + ms })
    return null
  }

  /** It may not begin a turn now: another runtime takes over, where that is configured, or it waits. */
  async #park(wait: Wait): Promise<EndState | 'lost' | null> {
    const choice = await fallbackFor(this.#project, this.#agent, wait)
    if (choice !== null) return this.#giveWay(`${this.#runtime.title} is ${LIMIT_WORDS[wait.cause]}`, choice)
    const me = await getAgent(this.#project.db, this.#agent.id)
    const { state } = wait
    if (me === undefined || !isDeepStrictEqual(stateOf(me), state)) await this.#become(state)
    step('limit.parked')
    return null
  }

  async #giveWay(why: string, choice?: RuntimeChoice): Promise<'lost'> {
    await this.#leaving.giveWay(why, choice)
    return 'lost'
  }

  /**
   * Goes on after a CLI that died, or whose session is of no use. A new session takes the place of the old in the agent's
   * row only once it has begun.
   */
  async #takeUp(anew: boolean): Promise<EndState | 'lost' | null> {
    if (!this.#cli.session?.alive) await this.#handover.withdraw()
    if (anew) {
      this.#ids.beginAnew()
      const changes = await this.#ground.changes()
      await write(this.#project.db, (tx) =>
        leaveWord(tx, this.#agent, { since: null, cutOff: true, changes }, this.#project.clock.now()),
      )
    }
    return this.#beginTurn(null)
  }

  async #onTick(): Promise<EndState | 'lost' | null> {
    this.#ticks += 1
    await this.#ground.keep()
    await this.#cli.hooks?.tick()
    await this.#counts.takeIn()
    const me = await getAgent(this.#project.db, this.#agent.id)
    if (me?.fence !== this.#agent.fence || !isOpen(me)) return 'lost'
    const { session } = this.#cli
    const limit = this.#project.config.agents.startTimeout
    const mayHang = session?.busy && session.held === null && this.#runtime.can.prompts
    if (mayHang && this.#turns.lifelessFor > limit) return { name: 'failed', reason: this.#hung(limit) }
    if (this.#ticks % OTHERS_TICKS === 0) await this.#others.lookAfter()
    return this.#lookAround()
  }

  #hung(limit: number): string {
    const said = this.#place.redact(this.#cli.session?.lastWords ?? '')
    const why = `${this.#runtime.title} gave no sign of life within ${limit / 1000} s of its start (agents.startTimeout).`
    if (said === '') return why
    return `${why}\n${this.#interactive ? 'Its screen showed' : 'It said on stderr'}:\n${said}`
  }

  /** Something may have changed: mail to take at once, a task that ended, a turn to begin. */
  async #lookAround(): Promise<EndState | 'lost' | null> {
    await this.#tellHold()
    if (!this.#cli.session?.busy) return this.#betweenTurns()
    // Nothing is typed into a turn that runs on a screen: its hooks take urgent mail.
    if (this.#runtime.can.steer && !this.#interactive)
      await this.#handover.urgent((text) => this.#cli.session?.steer(text) ?? false)
    return null
  }

  /** What only a person can set going again is said in its state, and taken back when it is over. */
  async #tellHold(): Promise<void> {
    const held = this.#cli.session?.held ?? null
    if (held?.why === this.#held?.why) return
    this.#held = held
    if (held === null) return this.#workAgain()
    const { why, dialog } = held
    await this.#note('runtime.waiting', { why: 'input', message: why, ...(dialog === null ? {} : { dialog }) })
    await this.#become({ name: 'waiting', on: 'human', why })
  }

  async #workAgain(): Promise<void> {
    const me = await getAgent(this.#project.db, this.#agent.id)
    if (me?.state === 'waiting' && this.#cli.session?.busy) await this.#become({ name: 'working' })
  }

  /** Between turns: hand over mail, else do what the rules say. */
  async #betweenTurns(): Promise<EndState | 'lost' | null> {
    const task = await getTask(this.#project.db, this.#task.id)
    if (!task || isFinal(task.state)) return endOf(task)
    if (this.#handover.underway) {
      if (this.#cli.session?.alive && this.#turns.quietFor < ECHO_PATIENCE_MS) return null
      await this.#handover.withdraw()
    }
    const mayBegin = await isAllowed(this.#project, 'turn')
    if (this.#again !== null) {
      if (!mayBegin || this.#project.clock.monotonic() < this.#again.at) return null
      const { anew } = this.#again
      this.#again = null
      return this.#takeUp(anew)
    }
    if (this.#parking.parked) return mayBegin ? this.#beginTurn(null) : this.#hold()
    // What it waits on is read before its mail. Whatever ends a wait leaves its mail in the same transaction: read the other
    // way round, a wait could be found over whose mail had not been there yet.
    const me = await getAgent(this.#project.db, this.#agent.id)
    const next = afterTurn({
      taskFinal: false,
      claimedDone: me?.claimed_done === 1,
      openChildren: (await openChildren(this.#project.db, this.#agent.id)).length,
      openQuestionTo: await unansweredBy(this.#project.db, this.#agent.id),
      reminded: me?.reminded === 1,
      speaks: this.#runtime.can.reports === 'mail',
      persistent: this.#agent.persistent === 1,
      attended: this.#cli.session?.attended ?? false,
    })
    const prompt =
      mayBegin && (await isWokenByMail(this.#project, this.#agent)) ? await this.#handover.nextPrompt() : null
    if (prompt !== null) return this.#beginTurn(prompt)
    switch (next.do) {
      case 'finish':
        return { name: 'done' }
      case 'wait':
        this.#turns.followed()
        if (me?.state !== 'waiting' || me.waiting_on !== next.on) {
          const why = next.why === undefined ? {} : { why: next.why }
          await this.#become({ name: 'waiting', on: next.on, ...why })
        }
        if (next.on === 'merge') this.#others.merge()
        if (next.on === 'mail' && this.#agent.persistent === 1 && this.#turns.said !== '') {
          // An answer that came while this was looked at: what it said was not its last word.
          if (await isWokenByMail(this.#project, this.#agent)) return null
          await this.#passOnWords()
        }
        return null
      case 'remind':
      case 'fail':
        if (!mayBegin) return this.#hold()
        // Whose wait is over without mail (children that ended, a question that came back) is told so before it is judged.
        if (!this.#turns.owed)
          return me?.state === 'waiting' && this.#runtime.can.prompts ? this.#remind(WAIT_OVER) : null
        return next.do === 'fail' ? { name: 'failed', reason: next.reason } : this.#remind(TURN_OVER)
    }
  }

  /** No turn begins just now (ov mode): what would follow from the end of this one follows later. */
  async #hold(): Promise<null> {
    const me = await getAgent(this.#project.db, this.#agent.id)
    if (me?.waiting_on !== 'mode') await this.#become({ name: 'waiting', on: 'mode' })
    return null
  }

  async #remind(why: string, choices = CHOICES): Promise<EndState | 'lost' | null> {
    await updateAgent(this.#project.db, this.#agent, { reminded: 1 })
    await this.#note('agent.reminded')
    return this.#beginTurn(`${why} ${choices}`)
  }

  /** Nothing is left to do: what it said at the end of its turn is its word to whoever wanted something of it. */
  async #passOnWords(): Promise<void> {
    await reportWords(this.#project, this.#agent, this.#place.redact(this.#turns.said), this.#turns.began)
    this.#turns.passedOn()
  }

  /** @param text the prompt; null: the mail that waits, what could not be said last, or else that it shall go on */
  async #beginTurn(text: string | null): Promise<EndState | 'lost' | null> {
    const wait = await this.#parking.ask()
    if (wait !== null) {
      if (text !== null) {
        await this.#handover.withdraw()
        this.#unsaid = text
      }
      return this.#park(wait)
    }
    const prompt = text ?? (await this.#handover.nextPrompt()) ?? this.#unsaid ?? GO_ON
    this.#unsaid = null
    this.#ids.turnBegins()
    this.#turns.begin(prompt)
    await this.#ground.freshen()
    if (this.#ground.base !== null) await this.#untouched?.mark(this.#ground.base)
    // Known before it begins: killed before the runtime has told its session's id, it is found again by the chosen one.
    const begins = this.#runtime.can.resume && this.#agent.session === null && this.#ids.told === undefined
    await updateAgent(this.#project.db, this.#agent, {
      mid_turn: 1,
      turns: this.#turns.count,
      ...(begins ? { session: this.#ids.chosen } : {}),
    })
    step('turn.recorded')
    await this.#ids.find(this.#transcript)
    await this.#become({ name: 'working' })
    this.#cli.session?.prompt(await this.#withMemory(prompt))
    step('turn.prompted')
    // A command has its mail as soon as it runs; it can't say more.
    if (!this.#runtime.can.prompts) await this.#handover.settle()
    return null
  }

  /** A CLI that can't take its session up again begins each time anew: what the records say goes before its prompt. */
  async #withMemory(prompt: string): Promise<string> {
    const { can } = this.#runtime
    if (can.resume || !can.prompts || this.#ids.turns <= 1 || this.#cli.session?.alive === true) return prompt
    await this.#note('agent.begins-anew', { why: `${this.#runtime.title} can't go on with a session` })
    const memory = await recollection(this.#project, this.#agent, await this.#ground.changes())
    return `${memory}\n\n${prompt}`
  }

  /** Everything an agent asks of `ov` comes by here; who asks is fixed. */
  async #serve(op: string, input: unknown, gone: AbortSignal): Promise<unknown> {
    if (op === 'hook' && this.#cli.hooks !== null) return this.#cli.hooks.answer(input)
    const row = (await getAgent(this.#project.db, this.#agent.id)) ?? this.#agent
    // By the right of this runner: what it says when another owns it by then is refused.
    const agent = { ...row, fence: this.#agent.fence }
    const speaker = { kind: 'agent' as const, agent, ...(this.#transcript ? { transcript: this.#transcript } : {}) }
    return perform(this.#project, speaker, op, input, gone)
  }

  #become(state: AgentState): Promise<void> {
    return setAgentState(this.#project.db, this.#agent, state, this.#project.clock.now())
  }

  #note(type: string, data: Record<string, unknown> = {}): Promise<void> {
    return recordFor(this.#project.db, this.#agent, this.#project.clock.now(), type, data)
  }
}

/** What stopped a runner, in words for whoever slung its task. */
function reasonOf(error: unknown): string {
  if (!(error instanceof OvError)) return `Its runner met an error: ${messageOf(error)}`
  return error.hint === undefined ? error.message : `${error.message}\n${error.hint}`
}
