import type { WaitingOn } from '../contract/states.ts'
import { oneLine } from '../mail/frame.ts'
import type { Condition } from '../reports/condition.ts'
import type { Problem } from '../reports/problems.ts'
import type { AgentReport, StatusReport } from '../reports/report.ts'
import { ago, counted, span } from './ages.ts'
import { sayMode } from './mode-screen.ts'
import { nextSteps, stepLines } from './next-steps.ts'
import { type Paint, style } from './style.ts'
import { type Cell, type Column, table } from './table.ts'
import { cutTo, widthOf, wrapTo } from './width.ts'

/** Of agents that have ended well, so many are shown; the rest is counted. */
const ENDED_SHOWN = 10

/**
 * The screen of `ov status`, line by line: what needs a person, who does what, what waits to be merged.
 *
 * @param next how much is said of what one might do next: `first` only where nothing else says it
 */
export function statusScreen(report: StatusReport, width: number, next: 'all' | 'first' = 'first'): string[] {
  const agents = report.agents.map((agent) => ({ agent, at: report.at }))
  const ended = agents.filter(({ agent }) => ['done', 'stopped'].includes(agent.condition))
  const shown = agents.filter((row) => !ended.slice(ENDED_SHOWN).includes(row))
  return [
    ...header(report, width),
    ...section(modeLines(report, width)),
    ...section(report.problems.flatMap((problem) => problemLines(problem, width))),
    ...section(shown.length === 0 ? [] : agentTable(shown, width)),
    ...(shown.length < agents.length
      ? wrapTo(`… and ${agents.length - shown.length} more that have ended: ov run show`, width).map((line) =>
          style.dim(line),
        )
      : []),
    ...section(queueLines(report, width)),
    ...section(next === 'all' || nobodyNeedsYou(report) ? stepLines(nextSteps(report, next), width) : []),
  ]
}

function nobodyNeedsYou({ agents, problems }: StatusReport): boolean {
  return agents.length === 0 || (problems.length === 0 && agents.every(({ endedAt }) => endedAt !== null))
}

function section(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', ...lines]
}

function header({ project, run, agents, at }: StatusReport, width: number): string[] {
  const count = (is: (agent: AgentReport) => boolean) => agents.filter(is).length
  const counts = [
    [count(({ condition }) => ['working', 'starting', 'ending'].includes(condition)), 'at work', style.green],
    [count(({ condition }) => condition === 'waiting'), 'waiting', style.yellow],
    [count(({ condition }) => condition === 'queued'), 'queued', style.dim],
    [count(({ condition }) => condition === 'runner_gone'), 'without runner', style.red],
    [count(({ task }) => task.state === 'merged'), 'merged', style.green],
    [count(({ condition }) => condition === 'failed'), 'failed', style.red],
    [count(({ condition }) => condition === 'stopped'), 'stopped', style.dim],
  ] as const
  const parts: [string, Paint][] = [
    [oneLine(project.name, 60), style.bold],
    ...(run === null ? [] : [[`${run.name}, ${ago(run.createdAt, at)}`, style.dim] as [string, Paint]]),
    ...counts.flatMap(([number, what, paint]): [string, Paint][] =>
      number === 0 ? [] : [[`${number} ${what}`, paint]],
    ),
  ]
  return wrapParts(parts, ' · ', width)
}

/** Puts parts on as few lines as they take, never more than `width` cells each. */
function wrapParts(parts: readonly (readonly [string, Paint])[], between: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  let used = 0
  for (const [text, paint] of parts) {
    const cut = cutTo(text, width)
    const more = used === 0 ? widthOf(cut) : widthOf(between) + widthOf(cut)
    if (used > 0 && used + more > width) {
      lines.push(line)
      line = ''
      used = 0
    }
    line += (used === 0 ? '' : style.dim(between)) + paint(cut)
    used += more
  }
  return [...lines, line]
}

/** What the fleet does less than everything, and what keeps the queue from starting. */
function modeLines({ mode, agents, at }: StatusReport, width: number): string[] {
  const queued = agents.some(({ condition }) => condition === 'queued')
  const shown = { ...mode, holds: queued ? mode.holds : null }
  if (shown.level === 'full' && shown.holds === null) return []
  return sayMode(shown, at)
    .slice(shown.level === 'full' ? 1 : 0)
    .flatMap((line) => wrapTo(oneLine(line, 300), width))
    .map((line) => style.yellow(line))
}

/** A problem on one line where it fits; else its text and, whole so that it can be copied, what to type. */
function problemLines({ kind, message, hint }: Problem, width: number): string[] {
  const paint = kind === 'mail' || kind === 'landing' || kind === 'question' ? style.yellow : style.red
  const text = oneLine(message, 300)
  if (hint !== null && widthOf(text) + widthOf(hint) + 6 <= width)
    return [`${paint('!')} ${text}  ${style.dim('→')} ${hint}`]
  return [
    ...wrapTo(text, width - 2).map((line, index) => `${index === 0 ? paint('!') : ' '} ${line}`),
    ...(hint === null ? [] : wrapTo(oneLine(hint, 300), width - 4)).map(
      (line, index) => `  ${index === 0 ? style.dim('→') : ' '} ${line}`,
    ),
  ]
}

interface Row {
  readonly agent: AgentReport
  readonly at: number
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'AGENT', cell: ({ agent }) => ({ text: agent.name, paint: style.bold }), min: 9 },
  { title: 'STATE', cell: (row) => stateCell(row), min: 12 },
  { title: 'FOR', cell: ({ agent, at }) => span(at - agent.since), align: 'right', goes: 2 },
  { title: 'SEEN', cell: (row) => seenCell(row), align: 'right', goes: 4 },
  {
    title: 'TRY',
    cell: ({ agent }) => (agent.task.attempts > 1 ? String(agent.task.attempts) : ''),
    align: 'right',
    goes: 5,
  },
  { title: 'ROLE', cell: ({ agent }) => agent.capability, goes: 7 },
  {
    title: 'RUNTIME',
    cell: ({ agent }) =>
      agent.runtime +
      (agent.model === null ? '' : ` ${oneLine(agent.model, 24)}`) +
      (isUnguarded(agent) ? ' (unguarded)' : ''),
    goes: 8,
  },
  { title: 'COMMITS', cell: ({ agent }) => commitsCell(agent), goes: 6 },
  { title: 'TOKENS', cell: ({ agent }) => tokens(agent), align: 'right', goes: 9 },
  { title: 'COST', cell: ({ agent }) => cost(agent), align: 'right', goes: 3 },
  { title: 'TASK', cell: ({ agent }) => oneLine(agent.task.title), min: 14, goes: 1 },
]

/** Nothing keeps it inside its worktree; of a command everybody knows that. */
function isUnguarded({ protection, runtime }: AgentReport): boolean {
  return protection === 'unguarded' && runtime !== 'shell'
}

/** Agents as a table; also for other screens that list them. Those of several runs are told apart. */
export function agentTable(rows: readonly Row[], width: number): string[] {
  const oneRun = rows.every(({ agent }) => agent.run === rows[0]?.agent.run)
  const columns = oneRun ? COLUMNS : COLUMNS.toSpliced(2, 0, { title: 'RUN', cell: ({ agent }) => agent.run, goes: 4 })
  return table(rows, columns, { width, paintTitle: style.dim })
}

const SHORT_WAITS: Readonly<Record<WaitingOn, string>> = {
  mail: 'for mail',
  children: 'for children',
  human: 'for human',
  merge: 'for merge',
  rate_limit: 'rate limit',
  retry: 'for retry',
  budget: 'for budget',
  mode: 'held',
}

/** The state, and in fewer letters where there is little room. */
export function stateCell({ agent, at }: { readonly agent: AgentReport; readonly at: number }): Cell {
  const { condition, waitingOn } = agent
  const short = condition === 'waiting' && waitingOn !== null ? { short: SHORT_WAITS[waitingOn] } : {}
  return { text: stateText(agent, at), ...short, paint: paintOf(agent) }
}

/** The state in a few words. */
export function stateText({ condition, waitingOn, waitingUntil, task }: AgentReport, at: number): string {
  switch (condition) {
    case 'runner_gone':
      return 'runner gone'
    case 'waiting': {
      const until = waitingUntil === null ? '' : ` (${span(waitingUntil - at)})`
      return `waiting on ${waitingOn?.replace('_', ' ') ?? '?'}${until}`
    }
    case 'done':
      return task.state === 'merged' || task.state === 'merging' ? task.state : 'done'
    case 'queued':
    case 'starting':
    case 'working':
    case 'failed':
    case 'stopped':
    case 'ending':
      return condition
  }
}

export function paintOf({ condition, waitingOn }: AgentReport): Paint {
  const paints: Readonly<Record<Condition, Paint>> = {
    runner_gone: style.red.bold,
    failed: style.red,
    working: style.green,
    starting: style.green,
    waiting: waitingOn === 'human' || waitingOn === 'budget' ? style.magenta.bold : style.yellow,
    queued: style.dim,
    done: style.cyan,
    stopped: style.dim,
    ending: style.yellow,
  }
  return paints[condition]
}

/** How long ago the runtime last printed anything; a question mark where the kernel would not say whether it lives. */
function seenCell({ agent, at }: Row): Cell {
  if (agent.runner === null) return { text: '' }
  if (agent.runner.seen === 'unknown') return { text: '?', paint: style.yellow }
  return { text: agent.lastOutput === null ? '–' : span(at - agent.lastOutput), paint: style.dim }
}

function commitsCell({ task, branch }: AgentReport): Cell {
  if (task.mergedAs !== null) return { text: task.mergedAs.slice(0, 8), paint: style.cyan }
  return { text: branch.unmerged ? `+${branch.unmerged}` : '' }
}

function tokens({ usage }: AgentReport): string {
  if (usage.input === null && usage.output === null) return ''
  return `${counted(usage.input)}/${counted(usage.output)}`
}

function cost({ usage }: AgentReport): string {
  return usage.costUsd === null ? '' : `$${usage.costUsd.toFixed(2)}`
}

function queueLines({ queue, at }: StatusReport, width: number): string[] {
  if (queue.length === 0) return []
  return [
    style.bold(cutTo(`Merge queue (${queue.length})`, width)),
    ...table(
      queue,
      [
        { title: 'BRANCH', cell: (entry) => entry.branch, min: 10 },
        {
          title: 'STATE',
          cell: (entry) => ({ text: entry.state, paint: entry.state === 'merging' ? style.green : style.dim }),
        },
        { title: 'FOR', cell: (entry) => span(at - entry.since), align: 'right', goes: 1 },
        { title: 'COMMIT', cell: (entry) => entry.commit.slice(0, 8), goes: 3 },
        { title: 'TASK', cell: (entry) => oneLine(entry.task), min: 12, goes: 2 },
      ],
      { width, paintTitle: style.dim },
    ),
  ]
}
