import { oneLine } from '../../mail/frame.ts'
import type { MailHead } from '../../mail/view.ts'
import type { MonitoredAgent, MonitoredEvent, MonitoredMerge, MonitorReport } from '../../monitor/report.ts'
import type { Gate } from '../../monitor/track.ts'
import { type Placed, treeOf, worthARow } from '../../monitor/tree.ts'
import type { Problem } from '../../reports/problems.ts'
import { clockTime, short, span } from '../ages.ts'
import { paintOf, stateCell } from '../status-screen.ts'
import { type Paint, style } from '../style.ts'
import type { Cell } from '../table.ts'
import { widthOf } from '../width.ts'
import type { Ui, View } from './keys.ts'
import type { Line } from './line.ts'
import type { Column, List } from './list.ts'

/** How long ago, without seconds that count: nothing else would move on most screens. */
export function age(at: number, now: number): string {
  const seconds = Math.max(0, Math.floor((now - at) / 1000))
  return seconds < 5 ? 'now' : seconds < 60 ? `${seconds - (seconds % 5)}s` : span(now - at)
}

/** It waits for you, or is in trouble that you are to settle. */
export function needsYou({ condition, waitingOn, decision, endedAt }: MonitoredAgent): boolean {
  if (decision !== null && endedAt === null) return true
  return condition === 'waiting' && (waitingOn === 'human' || waitingOn === 'budget')
}

/** One sign for each state; its colour says the same again, for those who see one. */
export function signOf(agent: MonitoredAgent): string {
  if (needsYou(agent)) return '◆'
  switch (agent.condition) {
    case 'working':
      return '●'
    case 'starting':
    case 'ending':
      return '◌'
    case 'waiting':
      return '◐'
    case 'queued':
      return '○'
    case 'done':
      return '✓'
    case 'failed':
      return '✗'
    case 'stopped':
      return '■'
    case 'runner_gone':
      return '!'
  }
}

type AgentRow = Placed<MonitoredAgent>

export function agentRows(report: MonitorReport, ui: Pick<Ui, 'filter' | 'all'>): AgentRow[] {
  const { fleet: wanted } = ui.filter
  if (wanted !== undefined) {
    // What was filtered is no tree any more.
    return report.agents
      .filter((agent) =>
        matches(wanted, [
          agent.name,
          agent.capability,
          agent.runtime,
          agent.condition,
          agent.waitingOn,
          agent.doing,
          agent.task.title,
          agent.lastWords,
        ]),
      )
      .map((agent) => ({ agent, more: [] }))
  }
  const shown = ui.all ? null : worthARow(report.agents)
  return treeOf(shown === null ? report.agents : report.agents.filter(({ name }) => shown.has(name)))
}

function matches(wanted: string, texts: readonly (string | null)[]): boolean {
  const sought = wanted.toLowerCase()
  return texts.some((text) => text?.toLowerCase().includes(sought))
}

export function fleetList(report: MonitorReport, ui: Pick<Ui, 'filter' | 'all'>, now: number): List<AgentRow> {
  const rows = agentRows(report, ui)
  const longest = Math.max(10, ...rows.map(({ agent, more }) => 2 * more.length + 2 + widthOf(agent.name)))
  const says = (known: (agent: MonitoredAgent) => boolean) => rows.some(({ agent }) => known(agent))
  const columns: (Column<AgentRow> | null)[] = [
    { title: 'AGENT', cell: nameCell, min: Math.min(longest, 10), max: Math.min(longest, 40), share: 20 },
    { title: 'STATE', cell: ({ agent }) => shortState(agent, now), min: 7, max: 12, share: 20 },
    { title: 'FOR', cell: ({ agent }) => ({ text: age(agent.since, now) }), min: 6, max: 6, align: 'right', goes: 4 },
    { title: 'DOING', cell: doingCell, min: 12, fair: 24, max: 70, share: 3, goes: 3 },
    says(({ task }) => task.attempts > 1)
      ? { title: 'TRY', cell: ({ agent }) => attempts(agent), min: 3, max: 3, align: 'right', extra: true, goes: 6 }
      : null,
    says(({ usage }) => usage.input !== null || usage.output !== null)
      ? { title: 'TOKENS', cell: ({ agent }) => tokensOf(agent), min: 6, max: 6, align: 'right', extra: true, goes: 5 }
      : null,
    says(({ usage }) => usage.costUsd !== null)
      ? {
          title: 'COST',
          cell: ({ agent }) => money(agent.usage.costUsd),
          min: 6,
          max: 7,
          align: 'right',
          extra: true,
          goes: 8,
        }
      : null,
    { title: 'SEEN', cell: ({ agent }) => seen(agent, now), min: 5, max: 5, align: 'right', extra: true, goes: 9 },
    {
      title: 'ROLE',
      cell: ({ agent }) => ({ text: agent.capability, paint: style.dim }),
      min: 8,
      max: 11,
      extra: true,
      goes: 10,
    },
    { title: 'RUNTIME', cell: ({ agent }) => runtimeCell(agent), min: 7, max: 16, extra: true, goes: 11 },
    {
      title: 'TASK',
      cell: ({ agent }) => oneLine(agent.task.title, 200),
      min: 14,
      fair: 24,
      max: 60,
      share: 2,
      goes: 7,
    },
    {
      title: 'LAST WORDS',
      cell: ({ agent }) => ({ text: agent.lastWords ?? '', paint: style.dim }),
      min: 18,
      max: 120,
      share: 3,
      extra: true,
      goes: 12,
    },
  ]
  return {
    columns: columns.filter((column) => column !== null),
    rows,
    id: ({ agent }) => agent.id,
    empty: nothing(ui, 'fleet', 'Nobody is at work. Give an agent a task: ov sling --task "…"'),
  }
}

function nothing(ui: Pick<Ui, 'filter'>, view: View, otherwise: string): string {
  return ui.filter[view] === undefined ? otherwise : 'Nothing matches the filter. Esc clears it.'
}

function nameCell({ agent, more }: AgentRow): Line {
  const branches = more.map((goesOn, index) =>
    index === more.length - 1 ? (goesOn ? '├─' : '└─') : goesOn ? '│ ' : '  ',
  )
  const ended = agent.endedAt !== null && agent.condition !== 'failed'
  return [
    { text: branches.join(''), paint: style.dim },
    { text: `${signOf(agent)} `, paint: needsYou(agent) ? style.magenta.bold : paintOf(agent) },
    { text: agent.name, paint: ended ? style.dim : style.bold },
  ]
}

function shortState(agent: MonitoredAgent, now: number): Cell {
  const { text, short = text, paint } = stateCell({ agent, at: now })
  return { text: short, ...(paint === undefined ? {} : { paint }) }
}

function doingCell({ agent }: AgentRow): Cell {
  const { doing, lastWords, condition } = agent
  if (doing === '' && condition === 'working') return { text: lastWords ?? '', paint: style.dim }
  const paint = condition === 'failed' ? style.red : agent.endedAt !== null ? style.dim : undefined
  return { text: doing, ...(paint === undefined ? {} : { paint }) }
}

function attempts({ task }: MonitoredAgent): Cell {
  return { text: task.attempts > 1 ? String(task.attempts) : '', paint: style.yellow }
}

function tokensOf({ usage: { input, output } }: MonitoredAgent): string {
  return input === null || output === null ? '' : short(input + output)
}

export function money(usd: number | null): string {
  return usd === null ? '' : `$${usd < 1000 ? usd.toFixed(2) : short(usd)}`
}

function seen({ runner, lastOutput }: MonitoredAgent, now: number): Cell {
  if (runner === null) return { text: '' }
  if (runner.seen === 'unknown') return { text: '?', paint: style.yellow }
  return { text: lastOutput === null ? '–' : age(lastOutput, now), paint: style.dim }
}

function runtimeCell({ runtime, model }: MonitoredAgent): Cell {
  return { text: model === null ? runtime : `${runtime} ${oneLine(model, 24)}`, short: runtime, paint: style.dim }
}

/** What a problem is known by from one report to the next. */
function problemId({ kind, agent, message }: Problem): string {
  return `${kind} ${agent ?? message}`
}

export function paintOfProblem({ kind }: Problem): Paint {
  return kind === 'mail' || kind === 'landing' ? style.yellow : kind === 'question' ? style.magenta : style.red
}

export function problemList(report: MonitorReport, ui: Pick<Ui, 'filter'>): List<Problem> {
  const wanted = ui.filter.problems
  return {
    columns: [
      {
        title: 'PROBLEM',
        cell: (problem) => [{ text: '! ', paint: paintOfProblem(problem) }, { text: oneLine(problem.message, 300) }],
        min: 18,
        max: 200,
        share: 3,
      },
      {
        title: 'WHAT TO DO',
        cell: ({ hint }) => ({ text: oneLine(hint ?? '', 200), paint: style.dim }),
        min: 22,
        max: 60,
        goes: 1,
      },
    ],
    rows:
      wanted === undefined
        ? report.problems
        : report.problems.filter(({ agent, message, hint }) => matches(wanted, [agent, message, hint])),
    id: problemId,
    empty: nothing(ui, 'problems', 'No problems: nothing needs you.'),
  }
}

export function mailList(report: MonitorReport, ui: Pick<Ui, 'filter'>, now: number): List<MailHead> {
  const wanted = ui.filter.mail
  return {
    columns: [
      { title: 'AGE', cell: ({ at }) => age(at, now), min: 6, max: 6, align: 'right', goes: 2 },
      { title: 'FROM', cell: ({ from }) => who(from), min: 7, fair: 11, max: 16 },
      { title: 'TO', cell: ({ to }) => who(to), min: 7, fair: 11, max: 16, goes: 3 },
      { title: 'TYPE', cell: typeCell, min: 8, max: 13, extra: true, goes: 4 },
      { title: 'STATE', cell: ({ state }) => stateOfMail(state), min: 9, max: 9, extra: true, goes: 5 },
      { title: 'SUBJECT', cell: ({ subject }) => oneLine(subject, 300), min: 10, fair: 28, max: 200, share: 3 },
    ],
    rows:
      wanted === undefined
        ? report.mails
        : report.mails.filter((mail) => matches(wanted, [mail.from, mail.to, mail.type, mail.state, mail.subject])),
    id: ({ id }) => id,
    empty: nothing(ui, 'mail', 'No mail yet.'),
  }
}

function who(name: string): Cell {
  return { text: oneLine(name, 40), paint: name === 'human' ? style.magenta : name === 'ov' ? style.dim : style.bold }
}

function typeCell({ type, priority }: MailHead): Cell {
  const paint =
    priority === 'urgent' ? style.red : type === 'question' || type === 'decision_gate' ? style.magenta : style.dim
  return { text: type, paint }
}

function stateOfMail(state: MailHead['state']): Cell {
  return { text: state, paint: state === 'bounced' ? style.red : state === 'unread' ? style.yellow : style.dim }
}

export function mergeList(report: MonitorReport, ui: Pick<Ui, 'filter'>, now: number): List<MonitoredMerge> {
  const wanted = ui.filter.merges
  return {
    columns: [
      { title: 'AGENT', cell: ({ agent }) => ({ text: agent, paint: style.bold }), min: 10, max: 20, share: 3 },
      { title: 'STATE', cell: ({ state }) => stateOfMerge(state), min: 9, max: 9 },
      { title: 'FOR', cell: ({ since }) => age(since, now), min: 6, max: 6, align: 'right', goes: 2 },
      { title: 'GATES', cell: ({ gates }) => gateSpans(gates), min: 14, max: 60, share: 2, goes: 1 },
      { title: 'COMMIT', cell: ({ mergedAs, commit }) => (mergedAs ?? commit).slice(0, 8), min: 8, max: 8, goes: 4 },
      { title: 'TASK', cell: ({ task, reason }) => taskOrReason(task, reason), min: 12, max: 100, share: 2, goes: 3 },
    ],
    rows:
      wanted === undefined
        ? report.merges
        : report.merges.filter(({ agent, state, task, reason }) => matches(wanted, [agent, state, task, reason])),
    id: ({ id }) => id,
    empty: nothing(ui, 'merges', 'Nothing to merge yet.'),
  }
}

const MERGE_PAINTS: Readonly<Record<MonitoredMerge['state'], Paint>> = {
  ready: style.yellow,
  merging: style.green,
  merged: style.cyan,
  rejected: style.red,
  dropped: style.dim,
}

function stateOfMerge(state: MonitoredMerge['state']): Cell {
  return { text: state === 'rejected' ? 'sent back' : state, paint: MERGE_PAINTS[state] }
}

function taskOrReason(task: string, reason: string | null): Cell {
  return reason === null
    ? { text: oneLine(task, 200) }
    : { text: oneLine(reason.split('\n')[0] ?? '', 200), paint: style.red }
}

const GATE_SIGNS: Readonly<Record<Gate['is'], readonly [string, Paint]>> = {
  passed: ['✓', style.green],
  running: ['●', style.yellow],
  red: ['✗', style.red],
  pending: ['○', style.dim],
}

function gateSpans(gates: readonly Gate[]): Line {
  return gates.map(({ name, is }, index) => {
    const [sign, paint] = GATE_SIGNS[is]
    return { text: `${index === 0 ? '' : ' '}${sign} ${oneLine(name, 40)}`, paint }
  })
}

export function eventList(report: MonitorReport, ui: Pick<Ui, 'filter'>): List<MonitoredEvent> {
  const wanted = ui.filter.events
  return {
    columns: [
      { title: 'TIME', cell: ({ at }) => ({ text: clockTime(at), paint: style.dim }), min: 8, max: 8, goes: 1 },
      {
        title: 'AGENT',
        cell: ({ agent }) => ({ text: agent ?? '', paint: style.bold }),
        min: 8,
        fair: 12,
        max: 16,
        share: 1,
        goes: 2,
      },
      { title: 'EVENT', cell: eventCell, min: 12, max: 300, share: 4 },
    ],
    rows:
      wanted === undefined ? report.events : report.events.filter(({ agent, line }) => matches(wanted, [agent, line])),
    id: ({ id }) => String(id),
    empty: nothing(ui, 'events', 'Nothing has happened yet.'),
  }
}

function eventCell({ type, line }: MonitoredEvent): Line {
  return [{ text: type, paint: eventPaint(type) }, { text: line.slice(type.length) }]
}

function eventPaint(type: string): Paint {
  if (/failed|rejected|bounced|blocked|gone|died|trouble|survivors|broken/.test(type)) return style.red
  if (/merged|landed/.test(type)) return style.cyan
  if (/^tool\./.test(type)) return style.dim
  return style.green
}
