/**
 * A FAKE agent CLI with a screen of its own, drawn as Claude Code draws its. It proves nothing about Claude Code; what it
 * proves is what the engine does with a program that behaves like this: pasting in brackets, a ready marker, Enter
 * swallowed now and then, delays of any length, hooks.
 *
 * node screen-cli.ts FOLDER [arguments as `claude` gets them]
 *
 * FOLDER/options.json: what it does, see `Options`. FOLDER/prompts.ndjson: the prompts it was given. FOLDER/turn-N.sh is
 * run in the N-th turn.
 */
import { execFile, execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Options {
  /** Until so many ms after its start it is deaf, although its box is drawn: text stays, Enter is swallowed. */
  readonly deafMs?: number
  /** So often Enter is swallowed, of 1. */
  readonly swallows?: number
  /** Longest delay before it draws, and longest turn, in ms. */
  readonly drawMs?: number
  readonly turnMs?: number
  /** Shows a question at its start that only a person can answer; any key does. */
  readonly asks?: string
  /** Draws nothing at all, and does nothing. */
  readonly blank?: boolean
  /** Draws what nobody knows, and does nothing. */
  readonly strange?: boolean
  /** Whether it calls the hooks of its settings. */
  readonly hooks?: boolean
  /** Ends with this code in its first turn. */
  readonly dies?: number
  /** For its dice. */
  readonly seed?: number
}

const [folder = '.', ...args] = process.argv.slice(2)
const options: Options = JSON.parse(readFileSync(join(folder, 'options.json'), 'utf8'))
const began = performance.now()
let dice = options.seed ?? 1
/** A number from 0 to 1, the same ones each time. */
const roll = () => {
  dice = (Math.imul(dice, 1_103_515_245) + 12_345) >>> 0
  return (dice >>> 8) / 2 ** 24
}

let asking = options.asks ?? null
let box = ''
let pasting = false
let busy = false
let suspended = false
/** Those of an earlier process of the conversation count too. */
let turns = existsSync(join(folder, 'prompts.ndjson'))
  ? readFileSync(join(folder, 'prompts.ndjson'), 'utf8').split('\n').length - 1
  : 0
let toDraw = false
const history: string[] = []

const settings = args.includes('--settings') ? (args[args.indexOf('--settings') + 1] ?? '{}') : '{}'
const hooks: Record<string, { matcher?: string; hooks: { command: string }[] }[]> =
  (JSON.parse(settings.startsWith('{') ? settings : readFileSync(settings, 'utf8')) as { hooks?: typeof hooks })
    .hooks ?? {}

function hook(name: string, payload: Record<string, unknown>): void {
  if (options.hooks !== true) return
  for (const { command } of (hooks[name] ?? []).flatMap((group) => group.hooks))
    execFileSync('/bin/sh', ['-c', command], {
      input: JSON.stringify({ hook_event_name: name, session_id: argument('--session-id'), ...payload }),
    })
}

function argument(name: string): string {
  return args[args.indexOf(name) + 1] ?? ''
}

function draw(): void {
  if (toDraw) return
  toDraw = true
  setTimeout(
    () => {
      toDraw = false
      process.stdout.write(`\x1b[H\x1b[2J${screen()}`)
    },
    roll() * (options.drawMs ?? 0),
  )
}

function screen(): string {
  if (options.blank) return ''
  const { columns = 80, rows = 24 } = process.stdout
  const rule = '─'.repeat(columns)
  if (suspended) return 'Suspended.\r\n'
  if (options.strange) return 'Something entirely different\r\n'
  if (asking !== null) return [rule, ` ${asking}`, '', ' ❯ No', '   Perhaps', '', ' Enter to confirm'].join('\r\n')
  const lines = box.length > 800 ? [`[Pasted text #1 +${box.split('\n').length} lines]`] : box.split('\n')
  const wrapped = lines.flatMap((line) => line.match(new RegExp(`.{1,${columns - 2}}`, 'gu')) ?? [''])
  const shown = wrapped.slice(-Math.max(1, rows - 8)).map((line, at) => `${at === 0 ? '❯' : ' '} ${line}`)
  const footer = `  ⏵⏵ bypass permissions on (shift+tab to cycle)${busy ? ' · esc to interrupt' : ''}`
  return [...history.slice(-3), rule, ...shown, rule, footer].join('\r\n')
}

function submit(): void {
  const deaf = performance.now() - began < (options.deafMs ?? 0)
  if (deaf || roll() < (options.swallows ?? 0)) return
  if (box === '' || busy) return
  const prompt = box
  box = ''
  take(prompt)
}

function take(prompt: string): void {
  busy = true
  turns += 1
  history.push(`> prompt ${turns}`)
  appendFileSync(join(folder, 'prompts.ndjson'), `${JSON.stringify(prompt)}\n`)
  // Before it has said that it took anything: it would die again.
  if (options.dies !== undefined) leave(options.dies)
  hook('UserPromptSubmit', { prompt })
  draw()
  const script = join(folder, `turn-${turns}.sh`)
  const over = () => {
    busy = false
    hook('Stop', { last_assistant_message: `Turn ${turns} is over.` })
    draw()
  }
  if (!existsSync(script)) setTimeout(over, roll() * (options.turnMs ?? 0))
  else execFile('/bin/sh', [script], over)
}

function leave(code: number): never {
  process.stdout.write('\x1b[?2004l\r\nBye.\r\n')
  process.exit(code)
}

const PASTE_BEGINS = '\x1b[200~'
const PASTE_ENDS = '\x1b[201~'
let rest = ''

function read(text: string): void {
  rest += text
  for (;;) {
    if (pasting) {
      const end = rest.indexOf(PASTE_ENDS)
      if (end < 0) return
      box += rest.slice(0, end)
      rest = rest.slice(end + PASTE_ENDS.length)
      pasting = false
      draw()
      continue
    }
    if (rest === '' || (rest.startsWith('\x1b') && PASTE_BEGINS.startsWith(rest) && rest !== '\x1b')) return
    if (rest.startsWith(PASTE_BEGINS)) {
      rest = rest.slice(PASTE_BEGINS.length)
      pasting = true
      continue
    }
    const key = rest[0] ?? ''
    rest = rest.slice(1)
    if (asking !== null) asking = null
    else if (key === '\r') submit()
    else if (key === '\x03') leave(0)
    else if (key === '\x15') box = ''
    else if (key === '\x1a') suspended = true
    else if (key >= ' ') box += key
    draw()
  }
}

process.stdin.setRawMode(true)
process.stdin.setEncoding('utf8').on('data', read)
process.stdout.on('resize', draw)
process.on('SIGCONT', () => {
  suspended = false
  draw()
})
process.on('SIGTERM', () => leave(143))
process.stdout.write('\x1b[?2004h')
hook('SessionStart', { source: 'startup' })
draw()
const given = args.includes('--') ? (args.at(-1) ?? '') : ''
const works = !options.blank && !options.strange
if (given !== '' && works) setTimeout(() => take(given), options.deafMs ?? 0)
