/** Prompts that a terminal, tmux or a command line would trip over: the same ones each time, each with a mark of its own. */
export function hardPrompts(count: number, seed = 1): string[] {
  let dice = seed
  const roll = (below: number) => {
    dice = (Math.imul(dice, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((dice / 2 ** 32) * below)
  }
  const pick = (from: readonly string[]) => from[roll(from.length)] ?? ''
  return Array.from({ length: count }, (_, index) => {
    const length = index % 250 === 249 ? 200_000 : index % 50 === 49 ? 5_000 : roll(120)
    let text = pick(BEGINNINGS)
    text += `<${index}>`
    while (text.length < length) text += pick(PIECES)
    return text + pick(ENDINGS)
  })
}

const BEGINNINGS = ['', '', '', '/', '!', '#', '@', '-', '--', ' ', '\t', '\n', ';', '~', '&']
const PIECES = [
  ...['word ', 'another ', 'and then some more of it ', 'C-c', 'M-x ', 'Enter', '\n', '\n\n', '\t', '\r\n', '\r'],
  ...['ä', 'é', 'e\u0301', '日本語', '🚀', '👩‍👩‍👧', 'עברית', '\u2028', '\u00a0', '\ud800'],
  ...[
    '\x1b[201~',
    '\x1b[200~',
    '\x1b[31m',
    '\x1b]0;title\x07',
    '\x1b',
    '\x00',
    '\x03',
    '\x04',
    '\x15',
    '\x7f',
    '\x9b201~',
  ],
  ...[
    '"quoted" ',
    "it's ",
    '$(touch pwned) ',
    '`id` ',
    '; ',
    '\\',
    '\\n',
    '#{pane_id}',
    '#(id)',
    '%1 ',
    '{}',
    '\u202e',
  ],
]
const ENDINGS = ['', '', ';', ';;', '\\;', '\\', '\n', ' ', '!', '\x1b', '\r', '🚀', '"']
