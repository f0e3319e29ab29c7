import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { type Broker, serveBroker } from '../broker/server.ts'
import { runtimeSection } from '../config/runtime-section.ts'
import type { AgentEvent, AgentRuntime, Author, SessionSpec } from '../contract/runtime.ts'
import { type AgentState, type EndState, isFinal } from '../contract/states.ts'
import { write } from '../db/open.ts'
import { messageOf, OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { LIMIT_WORDS } from '../limits/words.ts'
import { isAllowed } from '../load/mode.ts'
import { plainText } from '../mail/frame.ts'
import { unansweredBy } from '../mail/questions.ts'
import { nameOf, reportsTo } from '../mail/send.ts'
import { findMail } from '../mail/store.ts'
import { type TrainBeside, trainBeside } from '../merge/beside.ts'
import { perform } from '../operations.ts'
import { hasSpace, watchDatabase } from '../os/files.ts'
import { authorOf, removeWorktree, uncommitted } from '../os/git.ts'
import { ownIdentity } from '../os/process.ts'
import { containment } from '../os/sandbox.ts'
import { letServerEnd, ownPane } from '../os/tmux.ts'
import { stopProcessesOf } from '../os/tree.ts'
import type { Project } from '../project.ts'
import { usageMeter } from '../spend/meter.ts'
import { recordUsage, usedBy } from '../spend/store.ts'
import { outputFile } from '../state-dir.ts'
import { step } from '../steps.ts'
import { getTask, type Task } from '../tasks/store.ts'
import { reconcileUnwatched } from '../watchdog/reconcile.ts'
import { fillPool, recycle } from '../worktrees/pool.ts'
import { commitFolders, gitIn, setUpWorktree } from '../worktrees/prepare.ts'
import { type Untouched, untouched } from '../worktrees/untouched.ts'
import { claimOnBehalf } from './claim.ts'
import { leaveWord, recollection } from './digest.ts'
import { endAgent } from './finish.ts'
import { type Ground, groundOf } from './ground.ts'
import { guardVerdict } from './guard.ts'
import { type Handover, handoverFor } from './handover.ts'
import { type Hooks, type HooksOptions, openHooks } from './hooks.ts'
import { Inbox, type Item } from './inbox.ts'
import { instructionsFor } from './instructions.ts'
import { openInteractive } from './interactive.ts'
import { noting } from './notes.ts'
import { type Pane, paneOn } from './pane.ts'
import { fallbackFor, type Parking, parkingOf, type Wait } from './parking.ts'
import { isPassing } from './passing.ts'
import { programOf } from './programs.ts'
import { CHOICES, GO_ON, MEND, TURN_OVER, WAIT_OVER } from './prompts.ts'
import { CHANGES_AGAIN, puttingBack } from './put-back.ts'
import { openRawLog, type RawLog } from './raw-log.ts'
import { giveTo } from './reassign.ts'
import { recentRestarts, recover } from './recover.ts'
import { loadRuntimeOf } from './registry.ts'
import type { RuntimeChoice } from './routing.ts'
import { afterTurn, endOf, MAX_RESTARTS, putAside } from './rules.ts'
import { openServe } from './serve.ts'
import { type Hold, openSession, type Session, type SessionOptions } from './session.ts'
import { SessionIds } from './session-ids.ts'
import { type Attempt, type Setbacks, setbacksOf } from './setback.ts'
import { dispatchQueued } from './start.ts'
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
} from './store.ts'
import { type Conversation, type TokenCounts, tokensIn, transcriptOf } from './transcript.ts'
import { isWorthATurn } from './wake.ts'
import { reportWords } from './words.ts'
import { clearOut, furnish, readPlanned, type Workplace, writePlanned } from './workplace.ts'

const TICK_MS = 1_000
/** Every so many ticks a runner looks after the rest of the fleet too. */
const RECONCILE_TICKS = 5
/** What was sent to an idle CLI and not echoed for this long was not taken. */
const ECHO_PATIENCE_MS = 60_000
/** So many waiting mails are looked at for one that is worth a turn. */
const MANY_MAILS = 200

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
  readonly #readOnly: boolean
  readonly #interactive: boolean
  readonly #persistent: boolean
  readonly #inbox = new Inbox()
  readonly #pane: Pane
  readonly #log: RawLog
  readonly #transcript: Conversation | undefined
  /** Where a session tells its tokens in its transcript alone. */
  readonly #tokens: TokenCounts | undefined
  readonly #handover: Handover
  #meter = usageMeter()
  readonly #ground: Ground
  readonly #train: TrainBeside
  readonly #closers: (() => unknown)[] = []
  /** Its worktree, where its role may look and not change. */
  readonly #untouched: Untouched | null
  /** Puts back what it changed there; true: it goes on doing so. */
  readonly #putBack: () => Promise<boolean>
  readonly #setbacks: Setbacks
  readonly #parking: Parking
  readonly #ids: SessionIds
  readonly #noteOf: ReturnType<typeof noting>
  #session: Session | null = null
  #hooks: Hooks | null = null
  #instructions = ''
  #author: Author | null = null
  /** Turns of all the sessions that the agent has had. */
  #turns: number
  /** What it said last in this turn, or in the last one, until it was passed on. */
  #said = ''
  /** What the turn began with, and what its CLI said of itself. */
  #prompt = ''
  #told: Pick<Extract<AgentEvent, { type: 'started' }>, 'model' | 'version'> = {}
  #turnBegan = 0
  #promptedAt = 0
  #signsOfLife = false
  /** Its CLI has done something by now: what dies before that would die again. */
  #works = false
  #lastEventAt = 0
  #ticks = 0
  /** A turn ended of which nothing has followed yet, since none may begin. */
  #owed = false
  /** What was to be said in a turn that could not begin. */
  #unsaid: string | null = null
  /** Its CLI is started again at that time, by the monotonic clock. */
  #again: { readonly at: number; readonly anew: boolean } | null = null
  /** What a person was told to do, so that it goes on. */
  #held: Hold | null = null
  /** What went wrong last when the rest of the fleet was looked after. */
  #trouble: string | null = null

  constructor(project: Project, agent: Agent, task: Task, runtime: AgentRuntime) {
    this.#project = project
    this.#agent = agent
    this.#task = task
    this.#runtime = runtime
    this.#readOnly = project.roles[agent.capability].readOnly
    this.#persistent = agent.persistent === 1
    this.#turns = agent.turns
    // What worked before it was cut off is given another try.
    this.#works = agent.turns > 0
    this.#place = furnish(project, agent, runtime)
    this.#noteOf = noting(this.#place.redact)
    this.#ids = new SessionIds(runtime, agent, this.#place.sessionId)
    this.#ground = groundOf(project, agent, task, this.#place.worktree)
    this.#train = trainBeside(
      project,
      async (why) => this.#tell('merge.trouble', { why }),
      () => this.#inbox.put({ is: 'wake' }),
    )
    this.#untouched = this.#readOnly
      ? untouched(project, agent.id, this.#place.worktree, join(this.#place.privateDir, 'untouched.index'))
      : null
    const note = (type: string, data: Record<string, unknown>) => this.#note(type, data)
    this.#putBack = puttingBack(project, agent, this.#untouched, note)
    this.#parking = parkingOf(project, agent, runtime)
    this.#setbacks = setbacksOf(project, agent, runtime, {
      redact: this.#place.redact,
      note,
      parking: this.#parking,
    })
    // On an interactive agent's screen nobody else writes.
    this.#interactive = agent.mode === 'interactive'
    this.#pane = paneOn(process.stdout, this.#place.redact, () => this.#interactive && this.#session?.alive === true)
    this.#log = openRawLog(outputFile(project, agent), this.#place.redact, (error) =>
      this.#inbox.put({ is: 'log-broken', why: error.message }),
    )
    const place = { ...this.#place, ...this.#onScreen() }
    this.#transcript = transcriptOf(runtime, place, () => this.#ids.known)
    this.#tokens = this.#interactive ? tokensIn(runtime, place, this.#ids.told) : undefined
    this.#handover = handoverFor(project, agent, runtime, this.#place, this.#transcript)
  }

  async run(): Promise<void> {
    const unfit = await this.#prepare()
    if (unfit !== null) return this.end({ name: 'failed', reason: unfit })
    await this.#parking.open()
    let outcome: EndState | 'lost' | null = await this.#betweenTurns(this.#agent.turns > 0)
    if (outcome === 'lost') return
    // The agent is at its first turn: time to prepare what the next one will need.
    const filled = fillPool(this.#project).catch((error: unknown) =>
      this.#tell('pool.trouble', { why: messageOf(error) }),
    )
    while (outcome === null) {
      const handled = await this.#handle(await this.#inbox.next())
      if (handled === 'lost') return
      outcome = handled
    }
    await this.end(outcome)
    await this.#train.ended()
    await filled
  }

  /** Ends the agent: its processes gone, its commits kept, its state and all that follows from it recorded. */
  async end(state: EndState): Promise<void> {
    this.#session?.endInput()
    const survivors = await stopProcessesOf(this.#agent.id, [], { polite: this.#runtime.stopSignal })
    if (survivors.length > 0) await this.#note('agent.survivors', { pids: survivors.map((who) => who.pid) })
    step('end.stopped')
    await this.#hooks?.close()
    await this.#countTokens()
    this.#tokens?.close()
    const { worktree } = this.#place
    const kept = await this.#ground.keep()
    step('end.kept')
    await this.#handover.conclude()
    await endAgent(this.#project, this.#agent, state)
    step('end.recorded')
    this.#pane.title(`${this.#agent.name} ${state.name}`)
    await dispatchQueued(this.#project)
    if (state.name !== 'done' || !kept) return
    // Merged or without changes, kept and clean: only then does the folder go. Git itself refuses a dirty one.
    if ((await uncommitted(gitIn(this.#project, worktree))).length === 0 && !(await recycle(this.#project, worktree)))
      await removeWorktree(this.#project.git, worktree)
    step('end.tidied')
    clearOut(this.#place)
  }

  /**
   * Nothing can be written for now. That is no fault of the agent's, and passes: its processes end, and once there is room
   * another runner goes on where it was. A command is not run again: it may have done half of what it does.
   */
  async outlast(why: string): Promise<void> {
    await stopProcessesOf(this.#agent.id, [], { polite: this.#runtime.stopSignal })
    for (;;) {
      while (!hasSpace(this.#project.stateDir)) await delay(TICK_MS)
      try {
        const restarts = await recentRestarts(this.#project, this.#agent)
        const again = this.#runtime.can.prompts || this.#turns === 0
        if (!again) return await this.end({ name: 'failed', reason: why })
        if (restarts >= MAX_RESTARTS)
          return await this.end({ name: 'failed', reason: `${putAside('Its runner')}\n${why}` })
        // There may be room for a little, and not for what it needs.
        await delay(TICK_MS * 3 ** restarts)
        await this.#giveWay(why)
        return
      } catch (error) {
        if (isFenced(error)) return
        if (!isPassing(error)) throw error
        await delay(TICK_MS)
      }
    }
  }

  async close(): Promise<void> {
    const { db, tmux } = this.#project
    if (tmux !== null && (await openAgents(db)).length === 0) await letServerEnd(tmux)
    for (const close of this.#closers.splice(0)) await close()
    await this.#log.close()
  }

  /** Broker, worktree, set-up. Gives what went wrong, or null. */
  async #prepare(): Promise<string | null> {
    const { worktree, environment, redact } = this.#place
    this.#pane.title(`${this.#agent.name} · ${this.#runtime.title} · ${this.#task.title}`)
    const broker: Broker = await serveBroker(this.#place.brokerPath, (op, input, gone) => this.#serve(op, input, gone))
    const ticker = setInterval(() => this.#inbox.put({ is: 'tick' }), TICK_MS)
    const unwatch = watchDatabase(this.#project.databasePath, () => this.#inbox.put({ is: 'wake' }))
    const onTerm = () => this.#inbox.put({ is: 'signal' })
    // The terminal going away (its tmux server was killed) is no reason to stop: the agent has pipes of its own, or
    // ends by itself.
    const ignore = () => undefined
    process.on('SIGTERM', onTerm).on('SIGHUP', ignore)
    // On its own screen, what a person types is meant for the CLI.
    process.on('SIGINT', this.#interactive ? ignore : onTerm)
    if (this.#interactive) process.on('SIGQUIT', ignore).on('SIGTSTP', ignore)
    this.#closers.push(
      () => broker.close(),
      () => clearInterval(ticker),
      unwatch,
    )

    await this.#ground.prepare()
    step('prepare.worktree')
    // Where a turn has run already, set-up could undo what it did.
    const unfit = this.#agent.turns > 0 ? null : await setUpWorktree(this.#project, worktree, environment)
    if (unfit !== null) return redact(unfit)
    step('prepare.set-up')
    const parent = await nameOf(this.#project.db, await reportsTo(this.#project.db, this.#agent))
    this.#instructions = instructionsFor(this.#project, this.#agent, this.#task, parent)
    this.#author = await authorOf(gitIn(this.#project, worktree))
    // The session goes on, and so may its counts.
    if (this.#ids.told !== undefined) this.#meter = usageMeter(await usedBy(this.#project.db, this.#agent.id))
    const held = await containment(this.#project.config.agents.contain)
    await this.#note('agent.containment', { kind: held.kind })
    this.#session = this.#open({
      runtime: this.#runtime,
      spec: (prompt) => this.#spec(prompt),
      program: programOf(this.#project.config, this.#runtime),
      contain: held.wrap,
      deathOf: held.deathOf,
      environment,
      writeFiles: (files, links) => writePlanned(this.#place, files, links),
      readFile: (path) => readPlanned(this.#place, path),
      log: this.#log,
      emit: (event, noted) => this.#inbox.put({ is: 'event', event, ...(noted ? { noted } : {}) }),
      reader: this.#inbox,
    })
    return null
  }

  #onScreen(): Pick<SessionSpec, 'interactive'> {
    return this.#interactive ? { interactive: { repository: this.#project.root } } : {}
  }

  /** The one place where it is decided how the CLI is driven. */
  #open(options: SessionOptions): Session {
    const { clock, tmux } = this.#project
    if (!this.#interactive) {
      if (this.#runtime.hooksBeside) this.#hooks = this.#openHooks(null)
      return (this.#runtime.can.structured === 'serve' ? openServe : openSession)(options)
    }
    const pane = ownPane()
    if (tmux === null || pane === null || !process.stdout.isTTY) {
      throw new OvError('failed', 'sling.no-screen', 'It needs a screen in tmux, and its runner has none.', {
        hint: 'Sling it with --no-interactive, or find out what is wrong with tmux: ov doctor',
      })
    }
    const session = openInteractive({
      ...options,
      tmux,
      pane,
      now: () => clock.monotonic(),
      reports: this.#runtime.readHook !== undefined,
      dialogs: this.#project.config.watchdog.dialogs,
      answered: (dialog, { keys, why }) => this.#tell('dialog.answered', { dialog, answer: keys.join(' '), why }),
    })
    if (this.#runtime.readHook !== undefined) this.#hooks = this.#openHooks((event) => session.report(event))
    return session
  }

  #openHooks(emit: HooksOptions['emit']): Hooks {
    return openHooks({
      project: this.#project,
      agent: this.#agent,
      runtime: this.#runtime,
      place: this.#place,
      readOnly: this.#readOnly,
      handover: this.#handover,
      emit,
    })
  }

  #spec(prompt: string): SessionSpec {
    const { resume } = this.#ids
    const { tools } = this.#project.roles[this.#agent.capability]
    return {
      agent: this.#agent.name,
      sessionId: this.#ids.chosen,
      ...(resume === undefined ? {} : { resume }),
      worktree: this.#place.worktree,
      gitFolders: commitFolders(this.#project, this.#place.worktree, this.#agent.branch),
      environment: this.#place.environment,
      privateDir: this.#place.privateDir,
      ...(this.#hooks === null ? {} : { hook: this.#hooks.program }),
      ...(this.#agent.model === null ? {} : { model: this.#agent.model }),
      instructions: this.#instructions,
      // A command knows its task, not what is said about it.
      prompt: this.#runtime.can.prompts ? prompt : this.#task.body,
      ...(this.#task.command === null ? {} : { command: this.#task.command }),
      readOnly: this.#readOnly,
      ...(tools === undefined ? {} : { tools }),
      root: process.getuid?.() === 0,
      ...(this.#author === null ? {} : { author: this.#author }),
      extraArgs: runtimeSection(this.#project.config, this.#agent.runtime).args,
      ...(this.#ids.turns > 1 ? { feedbackFile: this.#place.feedbackFile } : {}),
      ...this.#onScreen(),
    }
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
      case 'log-broken':
        await this.#note('log.broken', { why: item.why })
        return null
    }
  }

  async #onEvent(event: AgentEvent, noted = false): Promise<EndState | 'lost' | null> {
    this.#signsOfLife = true
    this.#lastEventAt = this.#project.clock.monotonic()
    this.#pane.event(event)
    const note = noted ? null : this.#noteOf(event)
    if (note !== null) await this.#note(note.type, note.data)
    if (WORKS.has(event.type)) this.#works = true
    await this.#parking.heard(event.type)
    switch (event.type) {
      case 'started':
        this.#told = event
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
        await this.#count(event)
        return null
      case 'ask':
        this.#session?.answer(
          event.ask,
          guardVerdict(event.ask, { worktree: this.#place.worktree, readOnly: this.#readOnly }),
        )
        return null
      case 'turn_end':
        step('turn.over')
        this.#setbacks.over()
        await this.#countTokens()
        // On its own screen a turn ends in silence, whatever became of it.
        await (this.#interactive && this.#takesBack ? this.#handover.seen({ ended: true }) : this.#handover.settle())
        step('turn.settled')
        this.#said = event.text ?? this.#said
        await updateAgent(this.#project.db, this.#agent, { mid_turn: 0 })
        await this.#ground.keep()
        step('turn.kept')
        if (await this.#putBack()) return { name: 'failed', reason: CHANGES_AGAIN }
        return event.claim === 'done' ? this.#claimForIt() : this.#betweenTurns(true)
      case 'failed':
        return this.#onFailure(event)
      case 'tool_start':
      case 'tool_end':
      case 'rate_limited':
      case 'retrying':
      case 'waiting':
      case 'unknown':
        return null
      case 'text':
        this.#said = event.text
        return null
    }
  }

  /** Its runtime runs no command, so what others type is done for it: it is done, and its words go to who asked for some. */
  async #claimForIt(): Promise<EndState | 'lost' | null> {
    const { prompts } = this.#runtime.can
    // What waits belongs to its task: it claims when it has had it.
    const more = prompts ? await this.#handover.nextPrompt() : null
    if (more !== null) return this.#beginTurn(more)
    const words = this.#place.redact(plainText(this.#said).trim())
    const refused = await claimOnBehalf(this.#project, this.#agent, prompts ? words || this.#task.title : null)
    if (refused === null) {
      if (prompts) await this.#passOnWords()
      return this.#betweenTurns(true)
    }
    const me = await getAgent(this.#project.db, this.#agent.id)
    if (prompts && me?.reminded === 0) return this.#remind(refused, MEND)
    return {
      name: 'failed',
      reason: prompts && words !== '' ? `${refused} It said:\n${words.slice(0, 2000)}` : refused,
    }
  }

  #count(event: Extract<AgentEvent, { type: 'usage' }>): Promise<void> {
    return recordUsage(this.#project.db, this.#agent.id, this.#meter(event), this.#project.clock.now())
  }

  async #countTokens(): Promise<void> {
    for (const event of this.#tokens?.take(this.#ids.told) ?? []) await this.#count(event)
  }

  async #onFailure(event: Extract<AgentEvent, { type: 'failed' }>): Promise<EndState | 'lost' | null> {
    if (await this.#putBack()) return { name: 'failed', reason: CHANGES_AGAIN }
    const { unproven } = this.#ids
    const next = await this.#setbacks.meet(event, { unproven, works: this.#works, attempt: this.#attempt() })
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
        return this.#betweenTurns(false)
    }
  }

  /** What there is to record of the turn that failed. */
  #attempt(): Attempt {
    const session = this.#session
    return {
      turn: this.#turns,
      prompt: this.#prompt,
      model: this.#told.model ?? this.#agent.model,
      version: this.#told.version ?? null,
      exit: session?.lastExit ?? null,
      // On its own screen it says all of it there.
      stderr: this.#interactive ? '' : (session?.lastWords ?? ''),
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
    return null
  }

  /** Another runner goes on: with a screen of its own where this one's is gone and can't be had back, or with another runtime. */
  async #giveWay(why: string, choice?: RuntimeChoice): Promise<'lost'> {
    await stopProcessesOf(this.#agent.id, [], { polite: this.#runtime.stopSignal })
    await this.#hooks?.close()
    await this.#ground.keep()
    await this.#handover.withdraw()
    const now = await getAgent(this.#project.db, this.#agent.id)
    if (now?.fence !== this.#agent.fence) return 'lost'
    if (choice === undefined) await recover(this.#project, now, why)
    else await giveTo(this.#project, now, choice, why)
    return 'lost'
  }

  /**
   * Goes on after a CLI that died, or whose session is of no use. A new session takes the place of the old in the agent's
   * row only once it has begun.
   */
  async #takeUp(anew: boolean): Promise<EndState | 'lost' | null> {
    if (!this.#session?.alive) await this.#handover.withdraw()
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
    await this.#hooks?.tick()
    await this.#countTokens()
    const me = await getAgent(this.#project.db, this.#agent.id)
    if (me?.fence !== this.#agent.fence || !isOpen(me)) return 'lost'
    const silent = this.#session?.busy && this.#session.held === null && !this.#signsOfLife && this.#runtime.can.prompts
    const limit = this.#project.config.agents.startTimeout
    if (silent && this.#project.clock.monotonic() - this.#promptedAt > limit)
      return { name: 'failed', reason: this.#hung(limit) }
    if (this.#ticks % RECONCILE_TICKS === 0) {
      await this.#lookAfterOthers()
      // What others left in the queue, who are gone by now.
      this.#train.drive()
    }
    return this.#lookAround()
  }

  /** What goes wrong with others is no fault of this agent's: it is told, once as long as it stays the same. */
  async #lookAfterOthers(): Promise<void> {
    try {
      await reconcileUnwatched(this.#project)
      this.#trouble = null
    } catch (error) {
      if (isPassing(error)) throw error
      const why = messageOf(error)
      if (why !== this.#trouble) await this.#note('fleet.trouble', { why })
      this.#trouble = why
    }
  }

  #hung(limit: number): string {
    const said = this.#place.redact(this.#session?.lastWords ?? '')
    const why = `${this.#runtime.title} gave no sign of life within ${limit / 1000} s of its start (agents.startTimeout).`
    if (said === '') return why
    return `${why}\n${this.#interactive ? 'Its screen showed' : 'It said on stderr'}:\n${said}`
  }

  /** Something may have changed: mail to take at once, a task that ended, a turn to begin. */
  async #lookAround(): Promise<EndState | 'lost' | null> {
    await this.#tellHold()
    if (!this.#session?.busy) return this.#betweenTurns(false)
    // Nothing is typed into a turn that runs on a screen: its hooks take urgent mail.
    if (this.#runtime.can.steer && !this.#interactive)
      await this.#handover.urgent((text) => this.#session?.steer(text) ?? false)
    return null
  }

  /** What only a person can set going again is said in its state, and taken back when it is over. */
  async #tellHold(): Promise<void> {
    const held = this.#session?.held ?? null
    if (held?.why === this.#held?.why) return
    this.#held = held
    if (held === null) return this.#workAgain()
    const { why, dialog } = held
    await this.#note('runtime.waiting', { why: 'input', message: why, ...(dialog === null ? {} : { dialog }) })
    await this.#become({ name: 'waiting', on: 'human', why })
  }

  async #workAgain(): Promise<void> {
    const me = await getAgent(this.#project.db, this.#agent.id)
    if (me?.state === 'waiting' && this.#session?.busy) await this.#become({ name: 'working' })
  }

  /** Between turns: hand over mail, else do what the rules say. */
  async #betweenTurns(turnEnded: boolean): Promise<EndState | 'lost' | null> {
    const task = await getTask(this.#project.db, this.#task.id)
    if (!task || isFinal(task.state)) return endOf(task)
    if (this.#handover.underway) {
      const quietFor = this.#project.clock.monotonic() - this.#lastEventAt
      if (this.#session?.alive && quietFor < ECHO_PATIENCE_MS) return null
      await this.#handover.withdraw()
    }
    const mayBegin = await isAllowed(this.#project, 'turn')
    if (this.#again !== null) {
      if (!mayBegin || this.#project.clock.monotonic() < this.#again.at) return null
      const { anew } = this.#again
      this.#again = null
      return this.#takeUp(anew)
    }
    if (this.#parking.parked) return mayBegin ? this.#beginTurn(null) : this.#hold(turnEnded)
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
      persistent: this.#persistent,
      attended: this.#session?.attended ?? false,
    })
    const prompt = mayBegin && (await this.#isWokenByMail()) ? await this.#handover.nextPrompt() : null
    if (prompt !== null) return this.#beginTurn(prompt)
    switch (next.do) {
      case 'finish':
        return { name: 'done' }
      case 'wait':
        if (me?.state !== 'waiting' || me.waiting_on !== next.on) {
          const why = next.why === undefined ? {} : { why: next.why }
          await this.#become({ name: 'waiting', on: next.on, ...why })
        }
        if (next.on === 'merge') this.#train.drive()
        if (next.on === 'mail' && this.#persistent && this.#said !== '') {
          // An answer that came while this was looked at: what it said was not its last word.
          if (await this.#isWokenByMail()) return null
          await this.#passOnWords()
        }
        return null
      case 'remind':
      case 'fail':
        if (!mayBegin) return this.#hold(turnEnded)
        turnEnded ||= this.#owed
        this.#owed = false
        // Whose wait is over without mail (children that ended, a question that came back) is told so before it is judged.
        if (!turnEnded) return me?.state === 'waiting' && this.#runtime.can.prompts ? this.#remind(WAIT_OVER) : null
        return next.do === 'fail' ? { name: 'failed', reason: next.reason } : this.#remind(TURN_OVER)
    }
  }

  /** No turn begins just now (ov mode): what would follow from the end of this one follows later. */
  async #hold(turnEnded: boolean): Promise<null> {
    this.#owed ||= turnEnded
    const me = await getAgent(this.#project.db, this.#agent.id)
    if (me?.waiting_on !== 'mode') await this.#become({ name: 'waiting', on: 'mode' })
    return null
  }

  /** Who has a task takes any mail; who waits for whatever may come is not woken for what can wait itself. */
  async #isWokenByMail(): Promise<boolean> {
    if (!this.#persistent) return true
    const merges = this.#project.config.merge.auto
    const waiting = await findMail(this.#project.db, { reader: this.#agent.id, unread: true }, MANY_MAILS)
    return waiting.some((mail) => isWorthATurn(mail, { merges }))
  }

  async #remind(why: string, choices = CHOICES): Promise<EndState | 'lost' | null> {
    await updateAgent(this.#project.db, this.#agent, { reminded: 1 })
    await this.#note('agent.reminded')
    return this.#beginTurn(`${why} ${choices}`)
  }

  /** Nothing is left to do: what it said at the end of its turn is its word to whoever wanted something of it. */
  async #passOnWords(): Promise<void> {
    await reportWords(this.#project, this.#agent, this.#place.redact(this.#said), this.#turnBegan)
    this.#said = ''
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
    this.#prompt = prompt
    this.#ids.turnBegins()
    this.#turns += 1
    this.#said = ''
    this.#turnBegan = this.#project.clock.now()
    this.#promptedAt = this.#project.clock.monotonic()
    await this.#ground.freshen()
    if (this.#ground.base !== null) await this.#untouched?.mark(this.#ground.base)
    // Known before it begins: killed before the runtime has told its session's id, it is found again by the chosen one.
    const begins = this.#runtime.can.resume && this.#agent.session === null && this.#ids.told === undefined
    await updateAgent(this.#project.db, this.#agent, {
      mid_turn: 1,
      turns: this.#turns,
      ...(begins ? { session: this.#ids.chosen } : {}),
    })
    step('turn.recorded')
    await this.#ids.find(this.#transcript)
    await this.#become({ name: 'working' })
    this.#session?.prompt(await this.#withMemory(prompt))
    step('turn.prompted')
    // A command has its mail as soon as it runs; it can't say more.
    if (!this.#runtime.can.prompts) await this.#handover.settle()
    return null
  }

  /** A CLI that can't take its session up again begins each time anew: what the records say goes before its prompt. */
  async #withMemory(prompt: string): Promise<string> {
    const { can } = this.#runtime
    if (can.resume || !can.prompts || this.#ids.turns <= 1 || this.#session?.alive === true) return prompt
    await this.#note('agent.begins-anew', { why: `${this.#runtime.title} can't go on with a session` })
    const memory = await recollection(this.#project, this.#agent, await this.#ground.changes())
    return `${memory}\n\n${prompt}`
  }

  /** Everything an agent asks of `ov` comes by here; who asks is fixed. */
  async #serve(op: string, input: unknown, gone: AbortSignal): Promise<unknown> {
    if (op === 'hook' && this.#hooks !== null) return this.#hooks.answer(input)
    const agent = (await getAgent(this.#project.db, this.#agent.id)) ?? this.#agent
    const speaker = { kind: 'agent' as const, agent, ...(this.#transcript ? { transcript: this.#transcript } : {}) }
    return perform(this.#project, speaker, op, input, gone)
  }

  /** Has it noted in its turn: what happens beside the inbox can't fail for want of space. */
  #tell(type: string, data: Record<string, unknown>): void {
    this.#inbox.put({ is: 'note', type, data })
  }

  #become(state: AgentState): Promise<void> {
    return setAgentState(this.#project.db, this.#agent, state, this.#project.clock.now())
  }

  #note(type: string, data: Record<string, unknown> = {}): Promise<void> {
    const { id, run_id, task_id } = this.#agent
    return recordEvent(this.#project.db, {
      at: this.#project.clock.now(),
      type,
      runId: run_id,
      agentId: id,
      taskId: task_id,
      data,
    })
  }
}

/** What a CLI reports that works. */
const WORKS: ReadonlySet<AgentEvent['type']> = new Set(['accepted', 'text', 'tool_start', 'tool_end', 'turn_end'])

/** What stopped a runner, in words for whoever slung its task. */
function reasonOf(error: unknown): string {
  if (!(error instanceof OvError)) return `Its runner met an error: ${messageOf(error)}`
  return error.hint === undefined ? error.message : `${error.message}\n${error.hint}`
}
