/** The views, in the order of their numbers. */
export const VIEWS = ['problems', 'fleet', 'mail', 'merges', 'events'] as const
export type View = (typeof VIEWS)[number]

/** What lies over a view: everything about one agent, one mail, or the keys. */
export type Page =
  | { readonly is: 'agent'; readonly name: string }
  | { readonly is: 'mail'; readonly id: string }
  | { readonly is: 'help' }

/** A line that waits for an answer. */
export type Prompt =
  | { readonly is: 'filter'; readonly text: string; readonly before: string }
  | { readonly is: 'nudge'; readonly agent: string; readonly text: string }
  | { readonly is: 'reply'; readonly mail: string; readonly to: string; readonly text: string }
  | { readonly is: 'stop'; readonly agent: string }

/** Where the person at the screen is. Everything on the screen follows from it and from the report. */
export interface Ui {
  readonly view: View
  readonly page: Page | null
  /** First line of the page that is shown. */
  readonly scroll: number
  /** The id of the selected row of each view; none: the first, or, of the events, the newest. */
  readonly selected: Partial<Record<View, string>>
  readonly filter: Partial<Record<View, string>>
  /** Those that ended long ago are shown, too. */
  readonly all: boolean
  readonly prompt: Prompt | null
  /** What became of the last action. */
  readonly message: { readonly text: string; readonly bad: boolean } | null
}

export type Key =
  | 'up'
  | 'down'
  | 'left'
  | 'right'
  | 'pageup'
  | 'pagedown'
  | 'home'
  | 'end'
  | 'enter'
  | 'escape'
  | 'tab'
  | 'backtab'
  | 'backspace'
  | 'interrupt'
  | 'suspend'
  | 'redraw'
  | 'wipe'
  /** A letter that came by itself, one that came together with others, or a text that was pasted and is no command. */
  | { readonly text: string; readonly how: 'alone' | 'quick' | 'pasted' }

/** What a key asks for beside another picture. */
export type Act =
  | { readonly do: 'quit' | 'interrupt' | 'suspend' | 'redraw' }
  | { readonly do: 'attach' | 'stop'; readonly agent: string }
  | { readonly do: 'nudge'; readonly agent: string; readonly text: string }
  | { readonly do: 'reply'; readonly mail: string; readonly to: string; readonly text: string }

/** What the person sees, as far as keys are about it. */
export interface Seen {
  /** The rows of the view in their order. */
  readonly ids: readonly string[]
  /** The agent that the selected row, or the page, is about. */
  readonly agent: string | null
  /** A question to the human that the selected row, or the page, is about. */
  readonly question: { readonly mail: string; readonly from: string } | null
  /** The page that Enter opens. */
  readonly opens: Page | View | null
  /** Lines of a page that fit on the screen, and how many it has. */
  readonly height: number
  readonly lines: number
}

export function startingAt(view: View): Ui {
  return { view, page: null, scroll: 0, selected: {}, filter: {}, all: false, prompt: null, message: null }
}

interface Pressed {
  readonly ui: Ui
  readonly act: Act | null
}

/** What a key does. */
export function press(before: Ui, key: Key, seen: Seen): Pressed {
  if (key === 'interrupt') return { ui: before, act: { do: 'interrupt' } }
  if (key === 'suspend') return { ui: before, act: { do: 'suspend' } }
  if (key === 'redraw') return { ui: before, act: { do: 'redraw' } }
  if (before.prompt !== null) return answer(before, before.prompt, key)
  const ui: Ui = { ...before, message: null }
  if (typeof key === 'object') return key.how === 'pasted' ? still(ui) : command(ui, key.text, seen)
  switch (key) {
    case 'up':
      return still(move(ui, -1, seen))
    case 'down':
      return still(move(ui, 1, seen))
    case 'pageup':
      return still(move(ui, -Math.max(1, seen.height - 1), seen))
    case 'pagedown':
      return still(move(ui, Math.max(1, seen.height - 1), seen))
    case 'home':
      return still(move(ui, Number.NEGATIVE_INFINITY, seen))
    case 'end':
      return still(move(ui, Number.POSITIVE_INFINITY, seen))
    case 'left':
    case 'backtab':
      return still(turn(ui, -1))
    case 'right':
    case 'tab':
      return still(turn(ui, 1))
    case 'enter':
      return still(open(ui, seen.opens))
    case 'escape':
    case 'backspace':
      return still(back(ui))
    case 'wipe':
      return still(ui)
  }
}

function still(ui: Ui): Pressed {
  return { ui, act: null }
}

function command(ui: Ui, letter: string, seen: Seen): Pressed {
  const { agent, question } = seen
  const number = VIEWS[Number(letter) - 1]
  if (number !== undefined) return still({ ...ui, view: number, page: null, scroll: 0 })
  switch (letter) {
    case 'k':
      return still(move(ui, -1, seen))
    case 'j':
      return still(move(ui, 1, seen))
    case 'g':
      return still(move(ui, Number.NEGATIVE_INFINITY, seen))
    case 'G':
      return still(move(ui, Number.POSITIVE_INFINITY, seen))
    case ' ':
      return still(move(ui, Math.max(1, seen.height - 1), seen))
    case 'h':
      return still(turn(ui, -1))
    case 'l':
      return still(turn(ui, 1))
    case 'q':
      return ui.page === null ? { ui, act: { do: 'quit' } } : still(back(ui))
    case '?':
      return still(ui.page?.is === 'help' ? back(ui) : { ...ui, page: { is: 'help' }, scroll: 0 })
    case 'e':
      return still({ ...ui, all: !ui.all })
    case '/': {
      if (ui.page !== null) return still(ui)
      const text = ui.filter[ui.view] ?? ''
      return still({ ...ui, prompt: { is: 'filter', text, before: text } })
    }
    case 'a':
      return agent === null ? nobody(ui) : { ui, act: { do: 'attach', agent } }
    case 'n':
      return agent === null ? nobody(ui) : still({ ...ui, prompt: { is: 'nudge', agent, text: '' } })
    case 's':
      return agent === null ? nobody(ui) : still({ ...ui, prompt: { is: 'stop', agent } })
    case 'r':
      return question === null
        ? still({ ...ui, message: { text: 'Nothing here waits for an answer.', bad: true } })
        : still({ ...ui, prompt: { is: 'reply', mail: question.mail, to: question.from, text: '' } })
    default:
      return still(ui)
  }
}

function nobody(ui: Ui): Pressed {
  return still({ ...ui, message: { text: 'Select an agent first.', bad: true } })
}

function move(ui: Ui, by: number, { ids, height, lines }: Seen): Ui {
  if (ui.page !== null) return { ...ui, scroll: within(ui.scroll + by, 0, lines - height) }
  if (ids.length === 0) return ui
  const chosen = ui.selected[ui.view]
  const at = chosen === undefined ? -1 : ids.indexOf(chosen)
  const from = at >= 0 ? at : ui.view === 'events' ? ids.length - 1 : 0
  const to = within(from + by, 0, ids.length - 1)
  const { [ui.view]: _before, ...others } = ui.selected
  // Who goes to the end of the events wants to see those to come.
  if (ui.view === 'events' && to === ids.length - 1) return { ...ui, selected: others }
  const id = ids[to]
  return id === undefined ? ui : { ...ui, selected: { ...others, [ui.view]: id } }
}

function within(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(Math.max(least, most), value))
}

function turn(ui: Ui, by: number): Ui {
  const view = VIEWS[(VIEWS.indexOf(ui.view) + by + VIEWS.length) % VIEWS.length] ?? ui.view
  return { ...ui, view, page: null, scroll: 0 }
}

function open(ui: Ui, what: Seen['opens']): Ui {
  if (what === null || ui.page !== null) return ui
  return typeof what === 'string' ? { ...ui, view: what } : { ...ui, page: what, scroll: 0 }
}

/** One step back: out of a page, then out of a filter. */
function back(ui: Ui): Ui {
  if (ui.page !== null) return { ...ui, page: null, scroll: 0 }
  const { [ui.view]: _filter, ...filter } = ui.filter
  return { ...ui, filter }
}

function answer(ui: Ui, prompt: Prompt, key: Key): Pressed {
  if (prompt.is === 'stop') {
    // One letter by itself, so that nothing that was pasted or typed ahead stops anybody.
    if (typeof key === 'object' && key.how === 'alone' && key.text.toLowerCase() === 'y')
      return { ui: { ...ui, prompt: null }, act: { do: 'stop', agent: prompt.agent } }
    return still({ ...ui, prompt: null })
  }
  if (typeof key === 'object') return still(typed(ui, prompt, prompt.text + key.text))
  switch (key) {
    case 'backspace':
      return still(typed(ui, prompt, withoutLast(prompt.text)))
    case 'wipe':
      return still(typed(ui, prompt, ''))
    case 'escape':
      return still({ ...(prompt.is === 'filter' ? filtered(ui, prompt.before) : ui), prompt: null })
    case 'enter':
      return sent({ ...ui, prompt: null }, prompt)
    default:
      return still(ui)
  }
}

function typed(ui: Ui, prompt: Exclude<Prompt, { is: 'stop' }>, text: string): Ui {
  return { ...(prompt.is === 'filter' ? filtered(ui, text) : ui), prompt: { ...prompt, text } }
}

function filtered(ui: Ui, text: string): Ui {
  const { [ui.view]: _before, ...filter } = ui.filter
  return { ...ui, filter: text === '' ? filter : { ...filter, [ui.view]: text } }
}

const SEGMENTER = new Intl.Segmenter('en', { granularity: 'grapheme' })

function withoutLast(text: string): string {
  return [...SEGMENTER.segment(text)]
    .slice(0, -1)
    .map(({ segment }) => segment)
    .join('')
}

function sent(ui: Ui, prompt: Exclude<Prompt, { is: 'stop' }>): Pressed {
  if (prompt.is === 'filter' || prompt.text.trim() === '') return still(ui)
  if (prompt.is === 'nudge') return { ui, act: { do: 'nudge', agent: prompt.agent, text: prompt.text } }
  return { ui, act: { do: 'reply', mail: prompt.mail, to: prompt.to, text: prompt.text } }
}
