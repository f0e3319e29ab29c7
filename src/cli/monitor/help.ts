import { style } from '../style.ts'
import { padTo, widthOf } from '../width.ts'
import type { Prompt, Seen, Ui } from './keys.ts'
import { type Line, type Span, steady } from './line.ts'

/** The last line: what is asked, what became of an action, or which keys do something here. */
export function footerLine(ui: Ui, seen: Seen, width: number): Line {
  if (ui.prompt !== null) return promptLine(ui.prompt, width)
  if (ui.message !== null) {
    const { text, bad } = ui.message
    return [{ text: bad ? '✖ ' : '✓ ', paint: bad ? style.red : style.green }, { text: steady(text) }]
  }
  const filter = ui.page === null ? ui.filter[ui.view] : undefined
  const keys = [...(filter === undefined ? [] : [['Esc', `filter: ${steady(filter)}`] as const]), ...keysHere(ui, seen)]
  const line: Span[] = []
  let left = width
  for (const [key, does] of keys) {
    const more = widthOf(key) + widthOf(does) + 1 + (line.length === 0 ? 0 : 2)
    if (more > left) break
    left -= more
    line.push(
      ...(line.length === 0 ? [] : [{ text: '  ' }]),
      { text: key, paint: style.bold },
      { text: ` ${does}`, paint: style.dim },
    )
  }
  return line
}

/** The keys that do something here, those first that one needs most. */
function keysHere(ui: Ui, { agent, question, opens }: Seen): (readonly [string, string])[] {
  const some = (is: boolean, ...keys: (readonly [string, string])[]) => (is ? keys : [])
  if (ui.page !== null) {
    return [
      ['Esc', 'back'],
      ['↑↓', 'scroll'],
      ...some(question !== null, ['r', 'reply']),
      ...some(agent !== null, ['a', 'attach'], ['n', 'nudge'], ['s', 'stop']),
      ['?', 'help'],
    ]
  }
  return [
    ['?', 'help'],
    ['q', 'quit'],
    ['↑↓', 'move'],
    ...some(opens !== null, ['Enter', 'inspect']),
    ...some(question !== null, ['r', 'reply']),
    ...some(agent !== null, ['a', 'attach'], ['n', 'nudge'], ['s', 'stop']),
    ['/', 'filter'],
    ['Tab', 'next view'],
  ]
}

function promptLine(prompt: Prompt, width: number): Line {
  if (prompt.is === 'stop') {
    return [
      { text: `Stop ${prompt.agent} and all its processes?`, paint: style.red.bold },
      { text: ' Its commits are kept. ' },
      { text: 'y/n', paint: style.bold },
    ]
  }
  const asked =
    prompt.is === 'filter' ? 'Filter: ' : prompt.is === 'nudge' ? `Nudge ${prompt.agent}: ` : `Reply to ${prompt.to}: `
  return [
    { text: asked, paint: style.bold },
    { text: endOf(steady(prompt.text), width - widthOf(asked) - 1) },
    { text: '█' },
  ]
}

const SEGMENTER = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** The end of what is typed: that is where one types. */
function endOf(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let end = ''
  for (const { segment } of [...SEGMENTER.segment(text)].reverse()) {
    if (widthOf(segment) + widthOf(end) > width - 1) break
    end = segment + end
  }
  return `…${end}`
}

const KEYS: readonly (readonly [string, string])[] = [
  ['↑ ↓  k j', 'up and down'],
  ['PgUp PgDn  Space', 'a screen up and down'],
  ['Home End  g G', 'to the beginning, to the end'],
  ['Tab  ← →  h l', 'next and previous view'],
  ['1 2 3 4 5', 'problems, fleet, mail, merges, events'],
  ['Enter', 'everything about the selected agent; the whole mail'],
  ['Esc  q', 'back; q at a view ends the monitor, nothing else ends with it'],
  ['a', "attach: look at the agent's screen (Ctrl-b d leaves it)"],
  ['n', 'nudge: say something urgent to the agent'],
  ['r', 'reply to what the agent asked you'],
  ['s', 'stop the agent, after y'],
  ['/', 'filter: only rows with this text; Esc clears it'],
  ['e', 'show or hide those that ended long ago'],
  ['Ctrl-L', 'draw the screen anew'],
]

const SIGNS: readonly (readonly [string, string])[] = [
  ['●', 'at work'],
  ['◐', 'waits for mail, children, a merge, or a rate limit'],
  ['◆', 'waits for you'],
  ['○', 'waits for a place'],
  ['◌', 'starts, or is being ended'],
  ['✓ ✗ ■', 'done, failed, stopped'],
  ['!', 'has lost its runner'],
]

/** The page that `?` shows. */
export function helpLines(width: number): Line[] {
  const room = Math.max(...[...KEYS, ...SIGNS].map(([key]) => widthOf(key))) + 2
  const line = ([key, does]: readonly [string, string]): Line => [
    { text: ` ${width < 50 ? `${key}  ` : padTo(key, room)}`, paint: style.bold },
    { text: does },
  ]
  return [
    [{ text: ' Keys', paint: style.dim }],
    ...KEYS.map(line),
    [],
    [{ text: ' Signs', paint: style.dim }],
    ...SIGNS.map(line),
    [],
    [{ text: ' The monitor only looks. What a key does to an agent is what ov nudge, ov stop,', paint: style.dim }],
    [{ text: ' ov attach and ov mail reply do.', paint: style.dim }],
  ]
}
