import { stripVTControlCharacters } from 'node:util'
import { Chalk } from 'chalk'
import { expect, test } from 'vitest'
import { frameOf, type Scene } from '../../src/cli/monitor/frame.ts'
import { startingAt, type Ui, VIEWS } from '../../src/cli/monitor/keys.ts'
import { painted, steady, toAscii } from '../../src/cli/monitor/line.ts'
import { onceLines } from '../../src/cli/monitor/once.ts'
import { isUtf8, notLive, onceWidth } from '../../src/cli/monitor/terminal.ts'
import { widthOf } from '../../src/cli/width.ts'
import type { MonitorReport } from '../../src/monitor/report.ts'
import { monitored, monitorReport, NOW } from '../rig/monitor-report.ts'

function scene(ui: Ui, report: MonitorReport = monitorReport(), more: Partial<Scene> = {}): Scene {
  return { report, ui, now: NOW, page: null, output: null, trouble: null, ...more }
}

function draw(
  view: Ui['view'],
  columns: number,
  rows: number,
  {
    ascii = false,
    ui = {},
    report = monitorReport(),
    more = {},
  }: {
    ascii?: boolean
    ui?: Partial<Ui>
    report?: MonitorReport
    more?: Partial<Scene>
  } = {},
): string[] {
  const frame = frameOf(scene({ ...startingAt(view), ...ui }, report, more), { columns, rows }, new Map(), ascii)
  return frame.lines.map(stripVTControlCharacters)
}

const picture = (lines: readonly string[]) => `\n${lines.map((line) => `│${line}│`).join('\n')}\n`

test('at 80×24 the fleet is a tree with its states, what each does and waits for, under what needs a person', () => {
  expect(picture(draw('fleet', 80, 24))).toMatchSnapshot()
})

test('at 200×60 there is room for all of it: merges with gates, mail, the output of the selected agent, events', () => {
  const output = { agent: 'coordinator', lines: ['I have slung lead-auth.', 'Now I wait.'] }
  expect(picture(draw('fleet', 200, 60, { more: { output } }))).toMatchSnapshot()
})

test('at 20 columns names and states are left', () => {
  expect(picture(draw('fleet', 20, 16))).toMatchSnapshot()
})

test('problems come first, whole, with what to do; then the fleet', () => {
  expect(picture(draw('problems', 80, 24))).toMatchSnapshot()
})

test('mail, merges and events fill their views', () => {
  for (const view of ['mail', 'merges', 'events'] as const)
    expect(picture(draw(view, 100, 14, { ui: { selected: { merges: 'm2' } } }))).toMatchSnapshot(view)
})

test('in ASCII no other letter is left, and every cell stays where it is', () => {
  const drawn = draw('fleet', 80, 24, { ascii: true })
  for (const line of drawn) expect(line).toMatch(/^[ -~]*$/)
  expect(drawn.map(widthOf)).toEqual(draw('fleet', 80, 24).map(widthOf))
  expect(picture(drawn)).toMatchSnapshot()
})

test('whatever the size, there are as many lines as rows, and each is exactly as wide as the screen', () => {
  for (const view of VIEWS) {
    for (const columns of [1, 2, 11, 20, 59, 80, 110, 150, 200]) {
      for (const rows of [1, 2, 4, 9, 24, 60]) {
        const lines = draw(view, columns, rows)
        expect(lines, `${view} ${columns}×${rows}`).toHaveLength(rows)
        for (const line of lines) expect(widthOf(line), `${view} ${columns}×${rows} ${line}`).toBe(columns)
      }
    }
  }
})

test('text of agents reaches the screen without control characters, and in letters whose width is certain', () => {
  const evil = 'a\u001b]0;title\u0007b\u001b[2Jc\rd\ne\u202ef'
  const agent = monitored('evil', {
    doing: evil,
    lastWords: evil,
    task: { ...monitored('evil').task, title: evil },
    reason: evil,
    condition: 'failed',
  })
  const report = monitorReport([agent])
  for (const view of VIEWS) {
    const { lines } = frameOf(scene(startingAt(view), report), { columns: 200, rows: 40 }, new Map(), false)
    // Our own colours are the only escape sequences, if any.
    const foreign = lines.map((line) => line.replaceAll(/\p{Cc}\[\d+m/gu, ''))
    for (const line of foreign) expect(line).not.toMatch(/\p{Cc}|[\u202a-\u202e]/u)
  }
  expect(steady('👩‍💻 🇩🇪 ❤️ 1️⃣ 👍🏽')).toBe('👩💻 DE ❤ 1 👍')
})

test('a column never moves because of what a row holds just now', () => {
  const titles = (doing: string) => {
    const report = monitorReport([monitored('one', { doing }), monitored('two')])
    return draw('fleet', 120, 24, { report }).find((line) => line.includes('AGENT'))
  }
  expect(titles('x'.repeat(100))).toBe(titles(''))
})

test('the selected row is marked by a sign, not by colour alone, and stays in sight', () => {
  const many = monitorReport(Array.from({ length: 50 }, (_, index) => monitored(`agent-${index}`)))
  const lines = draw('fleet', 80, 24, { report: many, ui: { selected: { fleet: 'id-of-agent-40' } } })
  expect(lines.filter((line) => line.startsWith('▌'))).toEqual([expect.stringContaining('agent-40')])
  expect(lines.join('\n')).toContain('of 50')
})

test('where the selected one has gone, its neighbour is selected, and the list does not jump', () => {
  const agents = ['a', 'b', 'c', 'd'].map((name) => monitored(name))
  const memory = new Map<string, number>()
  const ui = { ...startingAt('fleet'), selected: { fleet: 'id-of-c' } }
  const selected = (report: MonitorReport) =>
    frameOf(scene(ui, report), { columns: 80, rows: 24 }, memory, false).seen.agent
  expect(selected(monitorReport(agents))).toBe('c')
  expect(selected(monitorReport(agents.filter(({ name }) => name !== 'c')))).toBe('d')
})

test('only rows with the text of the filter are shown, and the filter is told', () => {
  const lines = draw('fleet', 80, 24, { ui: { filter: { fleet: 'AUTH' } } })
  expect(lines.filter((line) => /^.[●◐◆] /.test(line)).map((line) => line.slice(3, 15).trim())).toEqual([
    'coordinator',
    'lead-auth',
    'auth-api',
    'auth-form',
  ])
  expect(lines.at(-1)).toContain('Esc filter: AUTH')
})

test('of those that ended well only the newest have a row, unless all are asked for', () => {
  const ended = Array.from({ length: 30 }, (_, index) =>
    monitored(`old-${index}`, { condition: 'done', endedAt: NOW - index * 1000 }),
  )
  const report = monitorReport([...ended, monitored('young')])
  const rows = (all: boolean) =>
    draw('fleet', 80, 50, { report, ui: { all } }).filter((line) => /old-|young/.test(line))
  expect(rows(false)).toHaveLength(11)
  expect(draw('fleet', 80, 50, { report }).join('\n')).toContain('20 more that have ended')
  expect(rows(true)).toHaveLength(31)
})

test('a prompt stands in the last line; what is typed too long shows its end', () => {
  const text = `${'x'.repeat(100)} the end`
  const prompt = { is: 'nudge', agent: 'auth-api', text } as const
  const last = draw('fleet', 60, 10, { ui: { prompt } }).at(-1) ?? ''
  expect(last).toMatch(/^Nudge auth-api: ….* the end█/)
  const stop = draw('fleet', 80, 10, { ui: { prompt: { is: 'stop', agent: 'auth-api' } } }).at(-1)
  expect(stop).toContain('Stop auth-api and all its processes? Its commits are kept. y/n')
})

test('an empty fleet says what to do', () => {
  const report = monitorReport([], { problems: [], merges: [], mails: [], events: [], run: null, questions: [] })
  expect(draw('fleet', 80, 24, { report }).join('\n')).toContain('ov sling --task')
  for (const view of VIEWS) expect(draw(view, 80, 24, { report }).join('\n').trim(), view).not.toBe('')
})

test('printed once it is all there, no wider than wanted', () => {
  const lines = onceLines(monitorReport(), 80, false)
  for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(80)
  expect(`\n${lines.join('\n')}\n`).toMatchSnapshot()
})

test('a selected row is reversed as a whole, and colours never change a width', () => {
  const { inverse, red } = new Chalk({ level: 1 })
  const line = [{ text: 'a ' }, { text: 'b', paint: red }]
  expect(painted(line, { ascii: false, reverse: inverse })).toBe('\u001b[7ma b\u001b[27m')
  expect(painted(line, { ascii: false })).toBe('a \u001b[31mb\u001b[39m')
})

test('letters outside ASCII become something of the same width', () => {
  for (const text of ['├─● lead', 'é ü ñ', '登录', '🚀', 'a…b', '\u001b[31m●\u001b[39m'])
    expect(widthOf(toAscii(text)), text).toBe(widthOf(text))
  expect(toAscii('über: ● 登')).toBe('uber: * ??')
})

test('the terminal decides: UTF-8 by the locale, live only where it can be drawn on, a width for everything else', () => {
  expect(isUtf8({ LANG: 'C.UTF-8' })).toBe(true)
  expect(isUtf8({ LANG: 'C.UTF-8', LC_ALL: 'C' })).toBe(false)
  expect(isUtf8({})).toBe(false)
  expect(notLive({ TERM: 'xterm' }, { input: true, output: true })).toBeNull()
  expect(notLive({ TERM: 'dumb' }, { input: true, output: true })).toContain('TERM=dumb')
  expect(notLive({ CI: 'true' }, { input: true, output: true })).toContain('CI')
  expect(notLive({}, { input: true, output: false })).toContain('terminal')
  expect([onceWidth({}, undefined), onceWidth({ COLUMNS: '120' }, undefined), onceWidth({}, 50)]).toEqual([80, 120, 50])
  expect(onceWidth({ COLUMNS: 'wide' }, undefined)).toBe(80)
})

test('a fleet that does less than everything says so, and why, where there is room', () => {
  const mode = { level: 'minimal', by: 'ov', why: 'x', since: null, until: null, places: 5, holds: null } as const
  const header = (report: MonitorReport) => draw('fleet', 100, 24, { report })[0]
  expect(header(monitorReport())).not.toContain('minimal')
  const report = monitorReport(undefined, { mode })
  expect(header(report)).toMatch(/^ ?shop +minimal +run-3/)
  const why = /^ minimal, by itself: x *$/
  expect(draw('fleet', 100, 24, { report })[2]).toMatch(why)
  expect(onceLines(report, 100, false)[1]).toMatch(why)
  expect(draw('fleet', 100, 12, { report }).some((line) => why.test(line))).toBe(false)
})

test('who is in trouble that you are to settle counts as yours, and has its sign', () => {
  const decision = 'needs a decision: It hangs.'
  const report = monitorReport([monitored('mute', { decision, doing: decision }), monitored('busy')])
  const lines = draw('fleet', 100, 24, { report })
  expect(lines[0]).toContain('● 1 working  ◆ 1 for you')
  expect(lines.find((line) => line.includes('mute'))).toMatch(/◆ mute +working .*needs a decision: It ha/)
})
