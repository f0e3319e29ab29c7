import { oneLine, plainText } from '../../mail/frame.ts'
import { asks } from '../../mail/rules.ts'
import type { MonitorReport } from '../../monitor/report.ts'
import type { Problem } from '../../reports/problems.ts'
import { style } from '../style.ts'
import { cutTo, widthOf, wrapTo } from '../width.ts'
import { headerLine, modeLine, tabsLine } from './header.ts'
import { footerLine, helpLines } from './help.ts'
import type { Page, Seen, Ui, View } from './keys.ts'
import { fill, type Line, painted, steady } from './line.ts'
import { type List, layList, topFor } from './list.ts'
import { eventList, fleetList, mailList, mergeList, paintOfProblem, problemList } from './lists.ts'

/** Everything the screen shows. */
export interface Scene {
  readonly report: MonitorReport
  readonly ui: Ui
  readonly now: number
  /** The lines of an agent's or a mail's page, painted; null while they are being read. */
  readonly page: readonly string[] | null
  /** What an agent said last, oldest first. */
  readonly output: { readonly agent: string; readonly lines: readonly string[] } | null
  /** Why what is shown may be old; null when it is not. */
  readonly trouble: string | null
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

/** What one picture leaves for the next, so that nothing jumps: first rows of lists, places of selected rows. */
export type Memory = Map<string, number>

export interface Frame {
  /** As many as the screen has rows, each as wide as it. */
  readonly lines: readonly string[]
  readonly seen: Seen
  /** True where what the selected agent said last would be shown. */
  readonly showsOutput: boolean
}

interface Row {
  readonly line: Line
  readonly selected?: boolean
  /** Painted already, and no wider than the screen. */
  readonly raw?: string
}

/** From this many rows on there is room for empty lines between the parts. */
const AIRY_ROWS = 20
const STRIP = 3
/** Cells from which on there are three panels beside one another. */
const WIDE = 150

/** The whole screen as lines. A pure function of what is shown, but for the memory of where lists stood. */
export function frameOf(scene: Scene, size: Size, memory: Memory, ascii: boolean): Frame {
  const { report, ui, now, trouble } = scene
  const { columns: width, rows } = size
  const airy = rows >= AIRY_ROWS
  const top: Row[] = [
    { line: headerLine(report, width, now, trouble) },
    { line: tabsLine(report, ui, width) },
    ...(airy ? [...modeLine(report, width).map((line) => ({ line })), { line: [] }] : []),
  ].slice(0, Math.max(0, rows - 2))
  const height = Math.max(0, rows - top.length - 1)
  const { rows: body, seen } = bodyOf(scene, { columns: width, rows: height }, memory)
  const filled = [...body, ...Array.from({ length: Math.max(0, height - body.length) }, (): Row => ({ line: [] }))]
  const shown = [...top, ...filled.slice(0, height), { line: footerLine(ui, seen, width) }].slice(-rows)
  return {
    lines: shown.map(({ line, selected, raw }) => {
      if (raw !== undefined) return painted([{ text: raw }], { ascii })
      return painted(fill(line, width), { ascii, ...(selected ? { reverse: style.inverse } : {}) })
    }),
    seen,
    showsOutput: ui.page === null && ui.view === 'fleet' && width >= WIDE,
  }
}

interface Body {
  readonly rows: readonly Row[]
  readonly seen: Seen
}

function bodyOf(scene: Scene, size: Size, memory: Memory): Body {
  const { report, ui, now, page } = scene
  if (ui.page !== null) return pageBody(report, ui, ui.page, page, size)
  switch (ui.view) {
    case 'problems':
      return problemsBody(scene, size, memory)
    case 'fleet':
      return fleetBody(scene, size, memory)
    case 'mail': {
      const list = mailList(report, ui, now)
      const { rows, at } = listRows(list, 'mail', ui, size, memory)
      const mail = list.rows[at]
      const asked = mail !== undefined && asks(mail.type) && mail.to === 'human'
      return {
        rows,
        seen: {
          ids: list.rows.map(list.id),
          agent: mail === undefined ? null : agentNamed(report, mail.from === 'human' ? mail.to : mail.from),
          question: asked ? { mail: mail.id, from: mail.from } : null,
          opens: mail === undefined ? null : { is: 'mail', id: mail.id },
          height: size.rows,
          lines: 0,
        },
      }
    }
    case 'merges': {
      const list = mergeList(report, ui, now)
      const below = Math.min(8, Math.floor(size.rows / 3))
      const { rows, at } = listRows(list, 'merges', ui, { ...size, rows: size.rows - below }, memory)
      const merge = list.rows[at]
      const reason = merge?.reason ?? null
      const why = reason === null ? [] : plainText(reason).trimEnd().split('\n')
      return {
        rows:
          below < 3 || merge === undefined || reason === null
            ? listRows(list, 'merges', ui, size, memory).rows
            : [
                ...padded(rows, size.rows - below),
                {
                  line: rule(
                    `Why ${merge.agent} was ${merge.state === 'rejected' ? 'sent back' : merge.state}`,
                    size.columns,
                  ),
                },
                ...why.slice(0, below - 1).map((line) => ({ line: [{ text: ` ${steady(line)}` }] })),
              ],
        seen: {
          ...seenOf(list, size, merge === undefined ? null : agentNamed(report, merge.agent)),
          opens: merge === undefined ? null : agentPage(report, merge.agent),
        },
      }
    }
    case 'events': {
      const list = eventList(report, ui)
      const { rows, at } = listRows(list, 'events', ui, size, memory)
      const agent = list.rows[at]?.agent ?? null
      return {
        rows,
        seen: {
          ...seenOf(list, size, agent === null ? null : agentNamed(report, agent)),
          opens: agent === null ? null : agentPage(report, agent),
        },
      }
    }
  }
}

function seenOf<R>(list: List<R>, size: Size, agent: string | null): Seen {
  return { ids: list.rows.map(list.id), agent, question: null, opens: null, height: size.rows, lines: 0 }
}

function agentNamed(report: MonitorReport, name: string): string | null {
  return report.agents.some((agent) => agent.name === name) ? name : null
}

function agentPage(report: MonitorReport, name: string): Page | null {
  return agentNamed(report, name) === null ? null : { is: 'agent', name }
}

function padded(rows: readonly Row[], height: number): readonly Row[] {
  return rows.length >= height
    ? rows.slice(0, height)
    : [...rows, ...Array.from({ length: height - rows.length }, (): Row => ({ line: [] }))]
}

/** The part of a list that fits, its selected row among it. */
function listRows<R>(
  list: List<R>,
  view: View,
  ui: Ui,
  { columns, rows }: Size,
  memory: Memory,
): { rows: readonly Row[]; at: number } {
  if (list.rows.length === 0) return { rows: [{ line: [{ text: ` ${list.empty}`, paint: style.dim }] }], at: -1 }
  const laid = layList(list, columns - 1)
  const chosen = ui.selected[view]
  const found = chosen === undefined ? -1 : list.rows.findIndex((row) => list.id(row) === chosen)
  const last = list.rows.length - 1
  // Where the selected one has gone, its neighbour is.
  const lost = chosen === undefined ? undefined : memory.get(`${view} at`)
  const at = found >= 0 ? found : Math.min(last, lost ?? (view === 'events' ? last : 0))
  memory.set(`${view} at`, at)
  const titled = rows > 3
  const height = titled ? rows - 1 : rows
  const first = topFor(list.rows.length, height, at, memory.get(`${view} top`) ?? 0)
  memory.set(`${view} top`, first)
  const shown = Math.min(height, list.rows.length - first)
  const range = shown < list.rows.length ? `${first + 1}-${first + shown} of ${list.rows.length} ` : ''
  return {
    rows: [
      ...(titled ? [{ line: titleLine(laid.titles, range, columns) }] : []),
      ...Array.from({ length: shown }, (_, index) => {
        const row = first + index
        const selected = row === at
        return { line: [{ text: selected ? '▌' : ' ' }, ...laid.row(row)], selected }
      }),
    ],
    at,
  }
}

function titleLine(titles: Line, range: string, width: number): Line {
  if (range === '') return [{ text: ' ' }, ...titles]
  // The last title is followed by nothing but spaces.
  const ended = titles.map((span, index) => (index < titles.length - 1 ? span : { ...span, text: span.text.trimEnd() }))
  return [...fill([{ text: ' ' }, ...ended], Math.max(0, width - widthOf(range))), { text: range, paint: style.dim }]
}

/** A list beside or below the one that is moved in: its beginning, or its end. */
function panelRows<R>(list: List<R>, title: string, { columns, rows }: Size, from: 'start' | 'end' = 'start'): Row[] {
  const laid = layList(list, columns - 1)
  // A panel without much room has no titles.
  const titled = laid.count > 0 && rows > 4
  const room = rows - (titled ? 2 : 1)
  const first = from === 'end' ? Math.max(0, laid.count - room) : 0
  const shown = Math.max(0, Math.min(room, laid.count - first))
  const lines =
    laid.count === 0
      ? [[{ text: ` ${list.empty}`, paint: style.dim }]]
      : Array.from({ length: shown }, (_, index): Line => [{ text: ' ' }, ...laid.row(first + index)])
  return [
    { line: rule(title, columns) },
    ...(titled ? [{ line: [{ text: ' ' }, ...laid.titles] }] : []),
    ...lines.slice(0, room).map((line) => ({ line })),
  ]
}

/** A line across, with a title in it. */
function rule(title: string, width: number): Line {
  const text = cutTo(`─ ${title} `, width)
  return [
    { text: '─ ', paint: style.dim },
    { text: `${cutTo(title, Math.max(0, width - 4))} `, paint: style.bold },
    { text: '─'.repeat(Math.max(0, width - widthOf(text))), paint: style.dim },
  ]
}

/** Panels side by side, with a line between. */
function beside(panels: readonly { rows: readonly Row[]; width: number }[], height: number): Row[] {
  return Array.from({ length: height }, (_, index) => ({
    line: panels.flatMap(({ rows, width }, panel) => [
      ...(panel === 0 ? [] : [{ text: index === 0 ? '┬' : '│', paint: style.dim }]),
      ...fill(rows[index]?.line ?? [], width),
    ]),
  }))
}

function problemsBody(scene: Scene, size: Size, memory: Memory): Body {
  const { report, ui, now } = scene
  const list = problemList(report, ui)
  const roomy = size.rows >= 12
  const most = roomy ? Math.ceil(size.rows / 2) : size.rows
  const needs = Math.min(most, list.rows.length + 1)
  const { rows, at } = listRows(list, 'problems', ui, { ...size, rows: needs }, memory)
  const problem = list.rows[at]
  const about = problem === undefined ? [] : aboutProblem(problem, size.columns).slice(0, Math.floor(size.rows / 4))
  const left = size.rows - rows.length - about.length - 1
  const fleet =
    left >= 4 ? [{ line: [] }, ...panelRows(fleetList(report, ui, now), 'Fleet', { ...size, rows: left })] : []
  const question =
    problem?.kind === 'question' ? (report.questions.find(({ from }) => from === problem.agent) ?? null) : null
  return {
    rows: [...rows, ...(roomy ? about : []), ...fleet],
    seen: {
      ...seenOf(list, size, problem?.agent == null ? null : agentNamed(report, problem.agent)),
      question: question === null ? null : { mail: question.id, from: question.from },
      opens: opensOf(problem, report),
    },
  }
}

function opensOf(problem: Problem | undefined, report: MonitorReport): Seen['opens'] {
  if (problem === undefined) return null
  if (problem.agent !== null) return agentPage(report, problem.agent)
  return problem.kind === 'mail' ? 'mail' : problem.kind === 'train' || problem.kind === 'landing' ? 'merges' : null
}

/** A problem whole, where its row had to cut it. */
function aboutProblem({ message, hint }: Problem, width: number): Row[] {
  const lines = (text: string, mark: string): Row[] =>
    wrapTo(steady(oneLine(text, 600)), Math.max(10, width - 4)).map((line, index) => ({
      line: [{ text: index === 0 ? ` ${mark} ` : '   ', paint: style.dim }, { text: line }],
    }))
  return [{ line: [] }, ...lines(message, '│'), ...(hint === null ? [] : lines(hint, '→'))]
}

/** Problems first, then the fleet; what room is left shows what else goes on. */
function fleetBody(scene: Scene, size: Size, memory: Memory): Body {
  const { report, ui, now } = scene
  const airy = size.rows >= AIRY_ROWS - 4
  const strip = problemStrip(report, size.columns, airy ? STRIP : 1)
  const above: Row[] = [...strip, ...(airy && strip.length > 0 ? [{ line: [] }] : [])]
  const list = fleetList(report, ui, now)
  const needs = list.rows.length + 1
  const room = size.rows - above.length
  const { rows, at } = listRows(list, 'fleet', ui, { ...size, rows: Math.min(room, Math.max(2, needs)) }, memory)
  const hidden = ui.filter.fleet === undefined ? report.agents.length - list.rows.length : 0
  const more: Row[] =
    hidden > 0 ? [{ line: [{ text: ` … ${hidden} more that have ended: e shows them`, paint: style.dim }] }] : []
  const left = room - rows.length - more.length - 1
  const agent = list.rows[at]?.agent
  const question = agent === undefined ? undefined : report.questions.find(({ from }) => from === agent.name)
  return {
    rows: [...above, ...rows, ...more, ...(left >= 4 ? [{ line: [] }, ...panels(scene, { ...size, rows: left })] : [])],
    seen: {
      ...seenOf(list, { ...size, rows: Math.max(2, rows.length - 1) }, agent?.name ?? null),
      question: question === undefined ? null : { mail: question.id, from: question.from },
      opens: agent === undefined ? null : { is: 'agent', name: agent.name },
    },
  }
}

function problemStrip({ problems }: MonitorReport, width: number, most: number): Row[] {
  if (problems.length === 0) return []
  const shown = problems.length > most ? problems.slice(0, Math.max(1, most - 1)) : problems
  const rows = shown.map((problem): Row => {
    const { message, hint } = problem
    const text = steady(oneLine(message, 300))
    const todo = hint === null ? '' : steady(oneLine(hint, 200))
    const fits = widthOf(text) + widthOf(todo) + 7 <= width
    return {
      line: [
        { text: ' ! ', paint: paintOfProblem(problem) },
        { text },
        ...(todo !== '' && fits ? [{ text: '  → ', paint: style.dim }, { text: todo }] : []),
      ],
    }
  })
  const more = problems.length - shown.length
  return more === 0 || most < 2 ? rows : [...rows, { line: [{ text: `   … and ${more} more: 1`, paint: style.dim }] }]
}

/** What else goes on, beside one another where there is room: merges and mail, what the selected agent says, events. */
function panels(scene: Scene, { columns, rows }: Size): Row[] {
  const { report, now } = scene
  const ui = { filter: {} }
  const merges = (size: Size) => panelRows(mergeList(report, ui, now), 'Merges', size)
  const mails = (size: Size) => panelRows(mailList(report, ui, now), 'Mail', size)
  const events = (size: Size) => panelRows(eventList(report, ui), 'Events', size, 'end')
  const mergesAndMail = (width: number) => {
    if (rows < 10) return merges({ columns: width, rows })
    const upper = Math.min(report.merges.length + 3, Math.floor(rows / 2))
    return [...padded(merges({ columns: width, rows: upper }), upper), ...mails({ columns: width, rows: rows - upper })]
  }
  if (columns >= WIDE) {
    const width = Math.floor((columns - 2) / 3)
    const last = columns - 2 - 2 * width
    return beside(
      [
        { rows: mergesAndMail(width), width },
        { rows: outputRows(scene, { columns: width, rows }), width },
        { rows: events({ columns: last, rows }), width: last },
      ],
      rows,
    )
  }
  if (columns >= 110) {
    const width = Math.floor((columns - 1) / 2)
    const other = columns - 1 - width
    return beside(
      [
        { rows: mergesAndMail(width), width },
        { rows: events({ columns: other, rows }), width: other },
      ],
      rows,
    )
  }
  const queue = report.merges.filter(({ state }) => state === 'ready' || state === 'merging').length
  if (queue === 0 || rows < 8) return events({ columns, rows })
  const upper = Math.min(queue + 2, rows - 5)
  return [
    ...padded(merges({ columns, rows: upper }), upper),
    { line: [] },
    ...events({ columns, rows: rows - upper - 1 }),
  ]
}

/** The end of what the selected agent said. */
function outputRows({ output }: Scene, { columns, rows }: Size): Row[] {
  if (output === null) return [{ line: rule('Output', columns) }]
  const lines = output.lines.flatMap((line) => wrapTo(steady(line), Math.max(10, columns - 2))).slice(1 - rows)
  return [
    { line: rule(`Output of ${output.agent}`, columns) },
    ...(lines.length === 0 ? [' It has said nothing yet.'] : lines.map((line) => ` ${line}`)).map((text) => ({
      line: [{ text, ...(lines.length === 0 ? { paint: style.dim } : {}) }],
    })),
  ]
}

/** Rows shown of lists that have no end, where everything is printed once. */
const ONCE_ROWS = 10

/** Everything, one part below the other. */
export function onceBody(report: MonitorReport, width: number): Line[] {
  const ui = { filter: {}, all: false }
  const part = <R>(list: List<R>, title: string, most = Number.POSITIVE_INFINITY, from: 'start' | 'end' = 'start') => {
    const size = { columns: width, rows: Math.max(5, 2 + Math.min(most, list.rows.length)) }
    return list.rows.length === 0 ? [] : [{ line: [] }, ...panelRows(list, title, size, from)]
  }
  const strip = problemStrip(report, width, report.problems.length)
  const fleet = fleetList(report, ui, report.at)
  return [
    ...modeLine(report, width).map((line) => ({ line })),
    ...(strip.length === 0 ? [] : [{ line: [] }, ...strip]),
    ...(fleet.rows.length === 0 ? [{ line: [] }, { line: [{ text: fleet.empty }] }] : part(fleet, 'Fleet')),
    ...part(mergeList(report, ui, report.at), 'Merges', ONCE_ROWS),
    ...part(mailList(report, ui, report.at), 'Mail', ONCE_ROWS),
    ...part(eventList(report, ui), 'Events', ONCE_ROWS, 'end'),
  ].map(({ line }) => line)
}

function pageBody(
  report: MonitorReport,
  ui: Ui,
  page: Page,
  lines: readonly string[] | null,
  { columns, rows }: Size,
): Body {
  const content: readonly Row[] =
    page.is === 'help'
      ? helpLines(columns).map((line) => ({ line }))
      : lines === null
        ? [{ line: [{ text: ' Reading …', paint: style.dim }] }]
        : lines.map((raw) => ({ line: [], raw }))
  const first = Math.max(0, Math.min(ui.scroll, content.length - rows))
  const agent = page.is === 'agent' ? page.name : null
  const mail = page.is === 'mail' ? report.mails.find(({ id }) => id === page.id) : undefined
  const question =
    mail !== undefined && asks(mail.type) && mail.to === 'human'
      ? { mail: mail.id, from: mail.from }
      : (report.questions.filter(({ from }) => from === agent).map(({ id, from }) => ({ mail: id, from }))[0] ?? null)
  return {
    rows: content.slice(first, first + rows),
    seen: {
      ids: [],
      agent: agent ?? (mail === undefined ? null : agentNamed(report, mail.from)),
      question,
      opens: null,
      height: rows,
      lines: content.length,
    },
  }
}
