import type { AgentEvent, Screen, SessionFacts } from '../contract/runtime.ts'
import { clearTerminal, type Ended, mendTerminal, processesAbove, resumeGroup, spawnOnTerminal } from '../os/process.ts'
import {
  hasOwnSize,
  type PaneView,
  paneExists,
  pasteInto,
  pressIn,
  restoreSize,
  submitIn,
  type Tmux,
  viewPane,
} from '../os/tmux.ts'
import { type Answer, answerTo, type DialogPolicy } from './dialogs.ts'
import { readable } from './readable.ts'
import { type Exit, endsTurn, notStarted, programArgv, type Session, type SessionOptions } from './session.ts'
import { type Deed, heldBy, lookAgainIn, newTyping, pasteable, type Signal, step } from './typing.ts'

export interface InteractiveOptions extends SessionOptions {
  readonly tmux: Tmux
  /** The pane this process runs in: the CLI gets its terminal. */
  readonly pane: string
  /** Monotonic ms. */
  readonly now: () => number
  /** Whether the CLI reports its turns by hooks; then the screen is the second source. */
  readonly reports: boolean
  /** What of its dialogs may be answered without a person. */
  readonly dialogs: DialogPolicy
  /** One was. */
  readonly answered: (dialog: string, answer: Answer) => void
}

const SCREEN_GONE = 'Its screen is gone: its tmux server or session was ended.'
/** Of a screen so many lines are told of a CLI that ended on it. */
const LAST_LINES = 15

/** A session on the CLI's own screen. */
export interface InteractiveSession extends Session {
  /** What the CLI reported by its hooks, which has been recorded. */
  report(event: AgentEvent): void
}

/**
 * Opens a session on the CLI's own screen: the CLI has this process's terminal, a pane of tmux, and prompts are typed
 * into it as a person would. What is typed when is decided by `typing.ts`; here it is done, one thing at a time.
 */
export function openInteractive(options: InteractiveOptions): InteractiveSession {
  const { runtime, emit, log, tmux, pane, now, reports, dialogs } = options
  /** Its CLI runs. */
  let alive = false
  let typing = newTyping(now())
  /** The prompt that is on its way, as it was given; the last one. */
  let prompt = ''
  let session: string | undefined
  let sequence = 0
  let told = false
  let ending: AgentEvent | null = null
  let lastExit: Exit | null = null
  let timer: NodeJS.Timeout | undefined
  /** Looks and deeds, one after another. */
  let work: Promise<void> = Promise.resolve()
  let lastView: PaneView | null = null
  /** A person has prompted it, on its screen. */
  let prompted = false
  let gone = false
  /** Its agent has ended, and the CLI is ended with it. */
  let dismissed = false
  /** What allows the answer to the dialog that is shown. */
  let allowed: Answer | null = null
  /** One of them is the pane's process. */
  const own = new Set([process.pid, ...processesAbove()])
  // The terminal's end is heard of at once; it is no signal for the CLI.
  process.on('SIGHUP', () => inTurn(look))

  const facts = (): SessionFacts => ({
    ...(session === undefined ? {} : { session }),
    busy: typing.stage !== 'resting',
    interactive: true,
    sequence: sequence++,
  })

  const inTurn = (task: () => Promise<void> | void) => {
    work = work.then(task).catch((error: unknown) => {
      // A pane that can't be driven any more: the CLI is ended by whoever ends the agent.
      emit({ type: 'failed', cause: 'crash', message: `Its screen could not be driven: ${String(error)}` })
    })
    return work
  }

  const lookLater = () => {
    clearTimeout(timer)
    if (!alive || gone) return
    timer = setTimeout(() => inTurn(look), lookAgainIn(typing, reports)).unref()
  }

  const signal = async (what: Signal) => {
    const decision = step(typing, what, now(), reports)
    typing = decision.typing
    for (const deed of decision.deeds) await perform(deed)
  }

  const perform = async (deed: Deed) => {
    switch (deed.do) {
      case 'paste': {
        const input = runtime.sendInput(prompt, facts())
        const text = pasteable(input.by === 'paste' ? input.text : prompt)
        log.write('in', text)
        await pasteInto(tmux, pane, text)
        return
      }
      case 'enter':
        await submitIn(tmux, pane)
        return
      case 'press':
        log.write('ov', `answered its question "${deed.about}" with ${deed.keys.join(' ')}`)
        await pressIn(tmux, pane, deed.keys)
        if (allowed !== null) options.answered(deed.about, allowed)
        return
      case 'wake':
        resumeGroup()
        return
      case 'begun':
        prompted ||= !deed.ours
        emit({ type: 'turn_start' })
        if (deed.ours) emit({ type: 'accepted', text: prompt })
        return
      case 'ended':
        // Who looks on decides what follows.
        lastView = (await viewPane(tmux, pane)) ?? lastView
        emit(ending ?? { type: 'turn_end' })
        ending = null
        return
      case 'lost':
        log.write('ov', 'its prompt was typed, and no turn began')
    }
  }

  /** What it reported, for those who read its log; what went over its screen is nowhere else. */
  const record = (event: AgentEvent) => {
    if (event.type === 'turn_end' && event.text !== undefined) record({ type: 'text', text: event.text })
    const told = readable(event)
    if (told !== null) log.write('told', `${told.mark} ${told.text}`)
  }

  /** The screen, with the answer that the policy has for what it asks. */
  const allow = (screen: Screen): Screen => {
    allowed = screen.is === 'dialog' ? answerTo(dialogs, screen) : null
    return screen.is === 'dialog' ? { ...screen, answer: allowed?.keys ?? null } : screen
  }

  const look = async () => {
    const view = await viewPane(tmux, pane)
    if (view === null ? (await paneExists(tmux, pane)) === false : !own.has(view.pid)) return screenIsGone()
    if (view !== null && alive) {
      lastView = view
      const screen = allow(runtime.screen(view))
      if (!told && screen.is !== 'loading') {
        told = true
        emit({ type: 'started' })
      }
      if (view.clients === 0 && !hasOwnSize(view)) await restoreSize(tmux, pane)
      await signal({ is: 'look', screen, prompt })
    }
    lookLater()
  }

  /** Nothing can be typed or seen any more. Whoever hears of it ends the agent, and with it the CLI. */
  const screenIsGone = () => {
    if (gone) return
    gone = true
    clearTimeout(timer)
    log.write('ov', SCREEN_GONE)
    emit({ type: 'failed', cause: 'crash', message: SCREEN_GONE })
  }

  const launch = async (text: string) => {
    const spec = options.spec(text)
    const plan = runtime.start(spec)
    if (plan.protocol !== 'interactive') {
      emit({ type: 'failed', cause: 'refused', message: `${runtime.title} has no screen that ov can drive.` })
      return
    }
    options.writeFiles([...runtime.deployHooks(spec), ...plan.files], plan.links ?? [])
    told = false
    ending = null
    const argv = programArgv(options, plan.argv)
    alive = true
    // What stands there already would be taken for its own.
    clearTerminal()
    const environment = { ...options.environment, ...plan.env }
    spawnOnTerminal(options.contain(argv), { cwd: spec.worktree, env: environment }).then((how) => {
      alive = false
      inTurn(() => exited(how, argv[0] ?? ''))
    })
    if (plan.firstPrompt === 'included') log.write('in', text)
    await signal({ is: 'launched', prompt: plan.firstPrompt === 'included' ? 'included' : 'to-type' })
    lookLater()
  }

  const exited = async (how: Ended, program: string) => {
    clearTimeout(timer)
    if ('error' in how) {
      await signal({ is: 'exited' })
      emit(notStarted([program], how.error))
      return
    }
    const died = how.signal ?? options.deathOf(how.code)
    lastExit = { code: died === null ? how.code : null, signal: died }
    if (!dismissed) log.write('ov', `${runtime.title} ended (${died ?? `exit code ${how.code}`})`)
    const busy = typing.stage !== 'resting'
    const view = await viewPane(tmux, pane)
    const words = lastLines(view ?? lastView)
    await signal({ is: 'exited' })
    if (view === null ? (await paneExists(tmux, pane)) === false : !own.has(view.pid)) return screenIsGone()
    await mendTerminal()
    if (!busy) return
    const code = died === null ? how.code : null
    const exit = { code, signal: died, stderrTail: '', stdoutTail: words, collected: {} }
    for (const event of runtime.exited(exit)) if (ending === null || !endsTurn(event)) emit(event)
    if (ending !== null) emit(ending)
    ending = null
  }

  return {
    prompt(text) {
      prompt = text
      // Busy from now on, whatever has to be done before.
      typing = step(typing, { is: 'prompt' }, now(), reports).typing
      inTurn(async () => {
        if (!alive) await launch(text)
        else await look()
      })
    },
    steer: () => false,
    answer: () => undefined,
    report(event) {
      inTurn(async () => {
        record(event)
        switch (event.type) {
          case 'started':
            session = event.session ?? session
            told = true
            return emit(event)
          case 'accepted':
            // Emitted with its own words, also when it was a person's prompt.
            await signal({ is: 'began' })
            return emit(event)
          case 'turn_start':
            return signal({ is: 'began' })
          case 'turn_end':
          case 'failed':
            ending = event
            await signal({ is: 'ended' })
            ending = null
            return
          default:
            return emit(event, true)
        }
      })
      lookLater()
    },
    get busy() {
      return typing.stage !== 'resting'
    },
    get alive() {
      return alive
    },
    get held() {
      return !alive ? null : heldBy(typing, now())
    },
    get attended() {
      return prompted || (lastView?.clients ?? 0) > 0
    },
    endInput() {
      dismissed = true
      clearTimeout(timer)
    },
    get lastWords() {
      return lastLines(lastView)
    },
    get lastExit() {
      return alive ? null : lastExit
    },
  }
}

/** The end of what a screen shows, for a person. */
function lastLines(view: PaneView | null): string {
  const lines = (view?.text ?? '').split('\n').map((line) => line.trimEnd())
  return lines
    .filter((line) => line !== '')
    .slice(-LAST_LINES)
    .join('\n')
}
