import { oneLine, plainText } from '../mail/frame.ts'
import { type Failure, howFailed } from '../reports/failures.ts'
import type { Inspection } from '../reports/inspect.ts'
import { ago, clockTime, counted, span } from './ages.ts'
import { paintOf, stateText } from './status-screen.ts'
import { style } from './style.ts'
import { cutTo, padTo, wrapTo } from './width.ts'

/** Lines shown of a long task, of many files, commits and mails. */
const MANY = 10
/** Cells of the labels, with the gap behind them. */
const LABELS = 13

/** The screen of `ov inspect`, line by line. */
export function inspectScreen(inspection: Inspection, width: number): string[] {
  const { agent, why, at } = inspection
  const about = [
    agent.capability,
    agent.runtime,
    ...(agent.model === null ? [] : [oneLine(agent.model, 40)]),
    agent.run,
  ]
  const state = `${stateText(agent, at)} for ${span(at - agent.since)}`
  return [
    style.bold(cutTo(`${agent.name} · ${about.join(' · ')}`, width)),
    paintOf(agent)(cutTo(state, width)),
    ...(why.text === '' ? [] : wrapTo(plainText(why.text), width)),
    ...(why.hint === null ? [] : [`${style.dim('→')} ${cutTo(why.hint, width - 2)}`]),
    '',
    ...sections(inspection).flatMap(([label, lines]) => block(label, lines, width)),
  ]
}

/** A label and what stands beside it; below it where there is little room. Nothing to say: no label. */
function block(label: string, lines: readonly string[], width: number): string[] {
  if (lines.length === 0) return []
  const beside = width >= 48
  const room = beside ? width - LABELS : width - 2
  const wrapped = lines.flatMap((line) => wrapTo(line, room))
  if (!beside) return [style.dim(label), ...wrapped.map((line) => `  ${line}`)]
  return wrapped.map((line, index) => style.dim(padTo(index === 0 ? label : '', LABELS)) + line)
}

function sections(inspection: Inspection): [string, string[]][] {
  const { agent, task, worktree, changes, failures, processes, children, mail, events, lastWords, at } = inspection
  const body = plainText(task.body).trim().split('\n')
  return [
    ['Task', few(body.length === 1 && body[0] === agent.task.title ? [agent.task.title] : body)],
    ['Command', task.command === null || task.command === task.body ? [] : few(plainText(task.command).split('\n'))],
    ['Scope', task.files.map((path) => oneLine(path))],
    ['Attempts', agent.task.attempts > 1 ? [String(agent.task.attempts)] : []],
    ['Slung by', agent.parent === null ? [] : [agent.parent]],
    ['Has slung', children.length === 0 ? [] : [children.join(', ')]],
    ['Runner', runnerLines(agent)],
    ['Protection', agent.protection === null ? [] : [PROTECTION[agent.protection]]],
    ['Last output', agent.lastOutput === null ? [] : [ago(agent.lastOutput, at)]],
    ['Processes', few(processes.map(({ pid, command }) => `${pid} ${command}`))],
    ['Usage', usageLines(inspection)],
    ['Branch', [`${agent.branch.name}${agent.branch.head === null ? ' (not there)' : ''}`]],
    ['Commits', few(changes.commits.map(({ sha, subject }) => `${sha.slice(0, 8)} ${oneLine(subject, 100)}`))],
    ['Files', filesLines(inspection)],
    ['Worktree', [`${worktree.path}${worktree.exists ? '' : ' (gone)'}`]],
    ['Uncommitted', few(changes.uncommitted.map((entry) => oneLine(entry)))],
    ['Failures', failures.flatMap(failureLines)],
    ['Mail', few(mailLines(mail, at))],
    ['Events', events.map((event) => `${clockTime(event.at)} ${event.line}`)],
    ['Last words', [...lastWords]],
  ]
}

const PROTECTION = {
  confined: 'confined: a sandbox of its runtime keeps what it runs inside its worktree',
  guarded: 'guarded: its tools are refused what lies outside its worktree; its shell can still write there',
  unguarded: 'unguarded: nothing keeps it inside its worktree',
} as const

function few(lines: readonly string[]): string[] {
  if (lines.length <= MANY) return [...lines]
  return [...lines.slice(0, MANY - 1), `… and ${lines.length - MANY + 1} more`]
}

function runnerLines({ runner }: Inspection['agent']): string[] {
  return runner === null ? [] : [`pid ${runner.pid ?? '?'}, ${runner.seen} (asked just now)`]
}

function usageLines({ agent: { usage } }: Inspection): string[] {
  const { input, output, costUsd } = usage
  const parts = [
    ...(input === null && output === null ? [] : [`${counted(input)} tokens in, ${counted(output)} out`]),
    ...(costUsd === null ? [] : [`$${costUsd.toFixed(2)}`]),
  ]
  return parts.length === 0 ? [] : [parts.join(', ')]
}

function filesLines({ changes: { files } }: Inspection): string[] {
  const counted = files.map(({ path, added, removed }) =>
    added === null ? `${oneLine(path)} (binary)` : `${oneLine(path)} +${added} −${removed}`,
  )
  return few(counted)
}

/** Lines of stderr that are shown of a failure. */
const STDERR_LINES = 3

/** A turn that failed: when, how, what it said, and last on stderr. */
function failureLines(failure: Failure): string[] {
  const { at, turn, runtime, model, version, message, stderr } = failure
  const who = [runtime, version, model].filter((part) => part !== null).join(' ')
  const head = [
    clockTime(at),
    ...(turn === null ? [] : [`turn ${turn}`]),
    howFailed(failure),
    ...(who === '' ? [] : [who]),
  ]
  const said = plainText(stderr).trim().split('\n').slice(-STDERR_LINES)
  return [
    oneLine(`${head.join(' · ')}: ${message}`, 300),
    ...said.filter((line) => line !== '' && !message.includes(line)).map((line) => `  ${oneLine(line, 200)}`),
  ]
}

function mailLines(mail: Inspection['mail'], at: number): string[] {
  return mail
    .filter(({ type }) => type !== 'dispatch')
    .map(({ from, type, subject, at: sent }) => `${from}, ${ago(sent, at)}, ${type}: ${oneLine(subject, 100)}`)
}
