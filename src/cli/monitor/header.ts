import { oneLine } from '../../mail/frame.ts'
import type { MonitoredAgent, MonitorReport } from '../../monitor/report.ts'
import type { Condition } from '../../reports/condition.ts'
import { short } from '../ages.ts'
import { modeInShort } from '../mode-screen.ts'
import { type Paint, style } from '../style.ts'
import { type Ui, VIEWS, type View } from './keys.ts'
import { fill, type Line, type Span, spread, widthOfLine } from './line.ts'
import { age, money, needsYou } from './lists.ts'

/** The first line: where this is, how it goes, what it has cost. Where it is tight, words go before facts. */
export function headerLine(report: MonitorReport, width: number, now: number, trouble: string | null): Line {
  const left = leftParts(report, now, trouble)
  const fits = (right: readonly Line[], of: readonly Line[] = left) =>
    widthOfLine(joined(of, '  ')) + widthOfLine(joined(right, '  ')) + 2 <= width
  const words = rightParts(report, 'words')
  if (!fits(words) && fits(words, left.slice(0, -1))) left.pop()
  const right = fits(words) ? words : rightParts(report, 'signs')
  while (!fits(right) && left.length > 1) left.pop()
  while (!fits(right) && right.length > 1) right.pop()
  return fill(spread(joined(left, '  '), joined(right, '  '), width), width)
}

/** What the fleet does less than everything, and why; none while it does everything. */
export function modeLine({ mode }: MonitorReport, width: number): Line[] {
  return mode.level === 'full' ? [] : [fill([{ text: ` ${modeInShort(mode)}`, paint: style.yellow }], width)]
}

function joined(parts: readonly Line[], between: string): Line {
  return parts.flatMap((part, index) => (index === 0 ? part : [{ text: between }, ...part]))
}

/** In the order of their weight. */
function leftParts(
  { project, run, branch, landing, mode }: MonitorReport,
  now: number,
  trouble: string | null,
): Line[] {
  const behind = landing === null || landing.commits === 0 ? '' : ` (${landing.commits} to land)`
  return [
    [{ text: oneLine(project.name, 40), paint: style.bold }],
    ...(mode.level === 'full' ? [] : [[{ text: mode.level, paint: style.yellow.bold }]]),
    ...(trouble === null ? [] : [[{ text: trouble, paint: style.red }]]),
    ...(run === null ? [] : [[{ text: `${run.name} ${age(run.createdAt, now)}`, paint: style.dim }]]),
    ...(branch === null
      ? []
      : [[{ text: `${oneLine(branch, 30)}${behind}`, paint: behind === '' ? style.dim : style.yellow }]]),
  ]
}

/** Counts by state, those first that somebody should know of; then tokens and cost. */
function rightParts({ agents, spent }: MonitorReport, as: 'words' | 'signs'): Line[] {
  const count = (is: (agent: MonitoredAgent) => boolean) => agents.filter(is).length
  const isAt = (...conditions: readonly Condition[]) => {
    return (agent: MonitoredAgent) => conditions.includes(agent.condition) && !needsYou(agent)
  }
  const counts: readonly (readonly [number, string, string, Paint])[] = [
    [count(({ condition }) => condition === 'runner_gone'), '!', 'lost', style.red.bold],
    [count(isAt('working', 'starting', 'ending')), '●', 'working', style.green],
    [count(needsYou), '◆', 'for you', style.magenta.bold],
    [count(isAt('waiting')), '◐', 'waiting', style.yellow],
    [count(({ condition }) => condition === 'failed'), '✗', 'failed', style.red],
    [count(({ condition }) => condition === 'queued'), '○', 'queued', style.dim],
    [count(({ condition }) => condition === 'done'), '✓', 'done', style.cyan],
    [count(({ condition }) => condition === 'stopped'), '■', 'stopped', style.dim],
  ]
  return [
    ...counts
      .filter(([number]) => number > 0)
      .map(
        ([number, sign, what, paint]): Line => [
          { text: as === 'words' ? `${sign} ${number} ${what}` : `${sign} ${number}`, paint },
        ],
      ),
    ...(spent.tokens === null ? [] : [[{ text: `${short(spent.tokens)} tokens` }]]),
    ...(spent.costUsd === null ? [] : [[{ text: money(spent.costUsd), paint: style.bold }]]),
  ]
}

const TITLES: Readonly<Record<View, string>> = {
  problems: 'Problems',
  fleet: 'Fleet',
  mail: 'Mail',
  merges: 'Merges',
  events: 'Events',
}

/** The second line: the views, the one that is shown in brackets. Where it is tight, only that one has its name. */
export function tabsLine(report: MonitorReport, { view }: Pick<Ui, 'view'>, width: number): Line {
  const long = tabs(report, view, 'all')
  return fill(widthOfLine(long) <= width ? long : tabs(report, view, 'one'), width)
}

function tabs(report: MonitorReport, shown: View, names: 'all' | 'one'): Line {
  const numbers: Readonly<Record<View, number>> = {
    problems: report.problems.length,
    fleet: report.agents.filter(({ endedAt }) => endedAt === null).length,
    mail: report.mail.unread,
    merges: report.merges.filter(({ state }) => state === 'ready' || state === 'merging').length,
    events: 0,
  }
  return VIEWS.flatMap((view, index): Span[] => {
    const count = numbers[view] > 0 ? ` ${numbers[view]}` : ''
    const title = names === 'all' || view === shown ? ` ${TITLES[view]}${count}` : ''
    const alarm = view === 'problems' && numbers.problems > 0
    if (view === shown) return [{ text: `[${index + 1}${title}]`, paint: alarm ? style.red.bold : style.cyan.bold }]
    return [{ text: ` ${index + 1}${title} `, paint: alarm ? style.red : style.dim }]
  })
}
