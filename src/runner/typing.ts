import type { Screen } from '../contract/runtime.ts'
import { plainText } from '../mail/frame.ts'
import type { Hold } from './session.ts'

/**
 * How a prompt gets onto an agent's screen, and how it is known that it got there. Decisions only: looks, reports and
 * times come in, what is to be done goes out.
 *
 * ```
 *  launched with the prompt ──► opening ─────────────────────────┐
 *                                                                │ busy, or told that it began
 *  prompt ──► waiting ──PASTE──► pasted ──ENTER──► sent ─────────┤
 *               ▲    idle, empty   │ text in    ▲ │ text still   ▼
 *               │    box, settled  │ the box    └─┘ there:    running ◄─────────────┐
 *               │                  │               ENTER         │ idle, or told    │
 *               │                  └──── nothing seen ───► lost  │ that it ended    │ a person's prompt
 *               │                                            │   ▼                  │
 *               └──────────────── prompt ─────────────────── resting ───────────────┘
 * ```
 *
 * - Text is pasted once. What stands in the box afterwards is submitted again, never pasted again; what can be seen
 *   nowhere is `lost`, and its mail is offered again as any mail whose arrival nobody saw.
 * - A box with a person's text in it is theirs: nothing is pasted before it is empty.
 * - A screen that is not understood is waited out.
 */
export type Stage = 'opening' | 'waiting' | 'pasted' | 'sent' | 'running' | 'resting'

export interface Typing {
  readonly stage: Stage
  /** When this stage began. All times are monotonic ms. */
  readonly since: number
  /** What the screen has shown without a break since `from`. */
  readonly shown: { readonly kind: Kind; readonly from: number; readonly about: string }
  /** Nothing has run since its CLI was started. */
  readonly fresh: boolean
  /** The screen has been seen busy in this turn. */
  readonly worked: boolean
  /** How often Enter was pressed in this stage, and when last. */
  readonly enters: number
  readonly enteredAt: number
  /** How often the dialog that is shown was answered, and when last. */
  readonly answers: number
  readonly answeredAt: number
  /** It was told to go on, since its screen has not been understood. */
  readonly woken: boolean
}

type Kind = 'nothing' | 'loading' | 'dialog' | 'question' | 'empty' | 'typed' | 'busy' | 'unknown'

/** What comes in. `began` and `ended`: the CLI's own reports of its turns. */
export type Signal =
  | { readonly is: 'launched'; readonly prompt: 'included' | 'to-type' }
  | { readonly is: 'prompt' }
  /** `prompt`: what is on its way, to know it again in the box. */
  | { readonly is: 'look'; readonly screen: Screen; readonly prompt: string }
  | { readonly is: 'began' }
  | { readonly is: 'ended' }
  | { readonly is: 'exited' }

/**
 * What is to be done.
 * - `begun`: a turn began; `ours` when it is that of the prompt that was on its way
 * - `ended`: the turn is over
 * - `lost`: the prompt can be seen nowhere
 * - `wake`: it is told to go on, in case a person suspended it (Ctrl-Z): there is no shell here to bring it back
 */
export type Deed =
  | { readonly do: 'paste' }
  | { readonly do: 'enter' }
  | { readonly do: 'press'; readonly keys: readonly string[]; readonly about: string }
  | { readonly do: 'begun'; readonly ours: boolean }
  | { readonly do: 'ended' }
  | { readonly do: 'lost' }
  | { readonly do: 'wake' }

export interface Decision {
  readonly typing: Typing
  readonly deeds: readonly Deed[]
}

/** A box must have been empty for so long before text is pasted: what is pasted earlier is swallowed by some CLIs. */
const SETTLED_MS = 60
/** Just after its start a CLI draws its box before it listens. */
const FIRST_SETTLED_MS = 500
/** Text that is still in the box is submitted again after this long, then after twice as long, and so on. */
const ENTER_AGAIN_MS = 400
const ENTER_AGAIN_AT_MOST_MS = 5_000
/** What was pasted and can't be seen after this long is lost. */
const PASTE_PATIENCE_MS = 15_000
/** A CLI that reports its turns, and has not reported one after this long, had none. */
const REPORT_PATIENCE_MS = 15_000
/** Without reports, a turn is over when its screen is idle again; one that was never seen busy may still begin. */
const OVER_MS = 120
const UNSEEN_OVER_MS = 600
/** With reports, it is over as well when they fail to come: a person's Esc ends a turn without any. */
const UNREPORTED_OVER_MS = 8_000
/** A screen that is not understood for this long may be that of a CLI that was suspended. */
const WAKE_MS = 1_000
const ANSWER_AGAIN_MS = 1_500
const MAX_ANSWERS = 3

export function newTyping(now: number): Typing {
  return {
    stage: 'resting',
    since: now,
    shown: { kind: 'nothing', from: now, about: '' },
    fresh: true,
    worked: false,
    enters: 0,
    enteredAt: now,
    answers: 0,
    answeredAt: now,
    woken: false,
  }
}

/**
 * One step.
 *
 * @param reports whether the CLI itself reports its turns (by hooks); the screen is then the second source
 */
export function step(typing: Typing, signal: Signal, now: number, reports: boolean): Decision {
  switch (signal.is) {
    case 'launched': {
      const launched = { ...newTyping(now), since: now }
      return enter(launched, signal.prompt === 'included' ? 'opening' : 'waiting', now)
    }
    case 'prompt':
      return enter(typing, 'waiting', now)
    case 'exited':
      return enter(typing, 'resting', now)
    case 'began':
      return began(typing, now)
    case 'ended':
      return typing.stage === 'running' ? enter(typing, 'resting', now, { do: 'ended' }) : stay(typing)
    case 'look':
      return look(seen(typing, signal.screen, now), signal, now, reports)
  }
}

function began(typing: Typing, now: number): Decision {
  switch (typing.stage) {
    case 'opening':
    case 'pasted':
    case 'sent':
      return enter(typing, 'running', now, { do: 'begun', ours: true })
    case 'resting':
      return enter(typing, 'running', now, { do: 'begun', ours: false })
    case 'waiting':
    case 'running':
      // A person's own prompt: ours waits for its end, or it is one that was queued in the running turn.
      return stay(typing)
  }
}

function look(typing: Typing, { screen, prompt }: Signal & { is: 'look' }, now: number, reports: boolean): Decision {
  const steady = now - typing.shown.from
  const here = now - typing.since
  switch (screen.is) {
    case 'loading':
      return stay(typing)
    case 'unknown':
      if (typing.woken || steady < WAKE_MS) return stay(typing)
      return { typing: { ...typing, woken: true }, deeds: [{ do: 'wake' }] }
    case 'dialog':
      return answerTo(typing, screen, now)
    case 'busy':
      switch (typing.stage) {
        case 'opening':
        case 'pasted':
        case 'sent':
          return enter(typing, 'running', now, { do: 'begun', ours: true })
        case 'resting':
          return reports ? stay(typing) : enter(typing, 'running', now, { do: 'begun', ours: false })
        case 'waiting':
          return stay(typing)
        case 'running':
          return stay({ ...typing, worked: true })
      }
      break
    case 'idle': {
      const empty = typing.shown.kind === 'empty'
      switch (typing.stage) {
        case 'waiting':
          if (!empty || steady < (typing.fresh ? FIRST_SETTLED_MS : SETTLED_MS)) return stay(typing)
          // Who reports need not be watched: text that nobody saw in the box and whose turn was reported has arrived.
          return reports
            ? pressed(enter(typing, 'pasted', now, { do: 'paste' }), now)
            : enter(typing, 'pasted', now, { do: 'paste' })
        case 'opening':
          // Some put the argument into the box and leave it there.
          if (!empty)
            return steady >= FIRST_SETTLED_MS && isOf(prompt, screen.typed) ? press(typing, now) : stay(typing)
          if (reports) return steady < REPORT_PATIENCE_MS ? stay(typing) : lost(typing, now)
          return steady < 2 * UNSEEN_OVER_MS ? stay(typing) : passed(typing, now)
        case 'pasted':
          if (!empty) return press(typing, now)
          return here < PASTE_PATIENCE_MS ? stay(typing) : lost(typing, now)
        case 'sent':
          if (!empty) return now - typing.enteredAt >= patience(typing.enters) ? press(typing, now) : stay(typing)
          if (reports) return steady < REPORT_PATIENCE_MS ? stay(typing) : lost(typing, now)
          return enter(typing, 'running', now, { do: 'begun', ours: true })
        case 'running':
          return steady < (reports ? UNREPORTED_OVER_MS : typing.worked ? OVER_MS : UNSEEN_OVER_MS)
            ? stay(typing)
            : enter(typing, 'resting', now, { do: 'ended' })
        case 'resting':
          return stay(typing)
      }
    }
  }
}

/** Presses Enter on what stands in the box. */
function press(typing: Typing, now: number): Decision {
  const enters = typing.stage === 'sent' ? typing.enters + 1 : 1
  return {
    typing: { ...typing, stage: 'sent', since: typing.stage === 'sent' ? typing.since : now, enters, enteredAt: now },
    deeds: [{ do: 'enter' }],
  }
}

/** The same, on top of what was decided. */
function pressed({ typing, deeds }: Decision, now: number): Decision {
  const next = press(typing, now)
  return { typing: next.typing, deeds: [...deeds, ...next.deeds] }
}

/** A turn so short that nobody saw it. */
function passed(typing: Typing, now: number): Decision {
  return { typing: at(typing, 'resting', now), deeds: [{ do: 'begun', ours: true }, { do: 'ended' }] }
}

function lost(typing: Typing, now: number): Decision {
  return enter(typing, 'resting', now, { do: 'lost' })
}

function answerTo(typing: Typing, { about, answer }: Screen & { is: 'dialog' }, now: number): Decision {
  if (answer === null || typing.answers >= MAX_ANSWERS) return stay(typing)
  if (typing.answers > 0 && now - typing.answeredAt < ANSWER_AGAIN_MS) return stay(typing)
  return {
    typing: { ...typing, answers: typing.answers + 1, answeredAt: now },
    deeds: [{ do: 'press', keys: answer, about }],
  }
}

function patience(enters: number): number {
  return Math.min(ENTER_AGAIN_AT_MOST_MS, ENTER_AGAIN_MS * 2 ** Math.max(0, enters - 1))
}

function seen(typing: Typing, screen: Screen, now: number): Typing {
  const kind = kindOf(screen)
  const about = screen.is === 'dialog' ? screen.about : ''
  if (kind === typing.shown.kind && about === typing.shown.about) return typing
  return { ...typing, shown: { kind, from: now, about }, answers: 0, woken: false }
}

function kindOf(screen: Screen): Kind {
  switch (screen.is) {
    case 'idle':
      return screen.typed.trim() === '' ? 'empty' : 'typed'
    case 'dialog':
      return screen.answer === null ? 'question' : 'dialog'
    case 'loading':
    case 'busy':
    case 'unknown':
      return screen.is
  }
}

function at(typing: Typing, stage: Stage, now: number): Typing {
  const fresh = typing.fresh && stage !== 'running'
  return { ...typing, stage, since: now, fresh, worked: typing.shown.kind === 'busy', enters: 0 }
}

function enter(typing: Typing, stage: Stage, now: number, ...deeds: Deed[]): Decision {
  return { typing: at(typing, stage, now), deeds }
}

function stay(typing: Typing): Decision {
  return { typing, deeds: [] }
}

/** Whether what stands in the box is the beginning of this prompt, as far as it shows. */
function isOf(prompt: string, typed: string): boolean {
  const bare = (text: string) => text.replace(/\s+/g, '')
  return bare(prompt).startsWith(bare(typed).slice(0, 40))
}

const TYPED_MS = 2_000
const UNKNOWN_MS = 20_000
const STUBBORN_ENTERS = 5

/** Why nothing goes on until a person has acted; null when nothing waits for one. */
export function heldBy({ stage, shown, enters, answers }: Typing, now: number): Hold | null {
  const steady = now - shown.from
  const hold = (why: string, dialog: string | null = null): Hold => ({ why, dialog })
  switch (shown.kind) {
    case 'question':
      return hold(`Its screen asks: "${shown.about}". Only you can answer that.`, shown.about)
    case 'dialog':
      return answers >= MAX_ANSWERS && steady > MAX_ANSWERS * ANSWER_AGAIN_MS
        ? hold(`Its screen asks: "${shown.about}", and takes no answer from ov.`, shown.about)
        : null
    case 'typed':
      if (stage === 'waiting' && steady >= TYPED_MS)
        return hold('Something is typed on its screen and not sent; what ov has for it waits until the box is empty.')
      return stage === 'sent' && enters >= STUBBORN_ENTERS
        ? hold('Its prompt stands on its screen, and Enter does not send it.')
        : null
    case 'unknown':
      return stage !== 'resting' && stage !== 'running' && steady >= UNKNOWN_MS
        ? hold('Its screen shows what ov does not understand; perhaps its terminal is too small.')
        : null
    case 'nothing':
    case 'loading':
    case 'empty':
    case 'busy':
      return null
  }
}

/** When to look at the screen next, in ms from now: often while something is on its way, seldom where reports come. */
export function lookAgainIn({ stage, shown, enters }: Typing, reports: boolean): number {
  switch (stage) {
    case 'pasted':
      return 25
    case 'sent':
      return reports ? patience(enters) : 25
    case 'waiting':
      return shown.kind === 'typed' ? 500 : shown.kind === 'empty' ? 50 : 150
    case 'opening':
      return 150
    case 'running':
      return reports ? 1_000 : 100
    case 'resting':
      return reports ? 3_000 : 500
  }
}

/**
 * A prompt as it can be pasted: escape sequences and control characters gone (one of them could close the paste), each
 * kind of line break a line feed.
 */
export function pasteable(text: string): string {
  return plainText(text.replace(/\r\n?/g, '\n')).toWellFormed()
}
