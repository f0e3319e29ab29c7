import { relative } from 'node:path'
import { oneLine } from '../mail/frame.ts'
import { describeRuntime } from '../preflight/checks/runtimes.ts'
import type { InitReport } from '../preflight/init.ts'
import { style } from './style.ts'

const TYPES = {
  node: 'Node',
  python: 'Python',
  rust: 'Rust',
  go: 'Go',
  ruby: 'Ruby',
  java: 'Java',
  make: 'Make',
  none: 'no known kind',
} as const

/** What was found, and what to type next. */
export function initPicture(report: InitReport, cwd: string): string {
  const { project, gates } = report
  const width = Math.max(0, ...gates.map((gate) => gate.name.length))
  const rows: [string, readonly string[]][] = [
    ['Project', [project.evidence === '' ? TYPES[project.type] : `${TYPES[project.type]} (${project.evidence})`]],
    ['Branch', [report.canonicalBranch ?? style.yellow('none yet')]],
    [
      'Gates',
      gates.length === 0
        ? [style.yellow('none: whatever an agent commits is merged')]
        : gates.map(
            (gate) =>
              `${gate.name.padEnd(width)}  ${gate.command === null ? style.red('no command') : style.dim(oneLine(gate.command, 100))}`,
          ),
    ],
    [
      'Worktrees',
      [...report.setup.map((line) => oneLine(line, 100)), ...report.copy.map((file) => `copy ${oneLine(file, 60)}`)],
    ],
    [
      'Agents',
      report.runtimes
        .filter((runtime) => runtime.program !== null)
        .map(
          (runtime) =>
            `${runtime.id} ${style.dim(describeRuntime(runtime))}${runtime.id === report.runtime ? '  (default)' : ''}`,
        ),
    ],
    ['Wrote', report.changed.map((name) => oneLine(name, 100))],
  ]
  const title =
    report.changed.length === 0
      ? `ov is set up in ${report.root} already; nothing was changed.`
      : `ov is set up in ${report.root}.`
  return [
    style.bold(oneLine(title, 400)),
    '',
    ...rows.flatMap(([name, lines]) => lines.map((line, index) => `  ${(index === 0 ? name : '').padEnd(10)} ${line}`)),
    ...(report.backup === null ? [] : [`  ${'Kept'.padEnd(10)} ${report.backup}`]),
    ...report.notes.map((note) => `  ${style.yellow('!')} ${oneLine(note, 300)}`),
    '',
    'Next:',
    ...nextSteps(report, cwd).map((line) => `  ${line}`),
  ].join('\n')
}

/** What to type next, the first of it what everything else waits for. */
function nextSteps(report: InitReport, cwd: string): string[] {
  const steps: string[] = []
  const way = relative(cwd, report.root)
  if (way !== '' && !report.bare && way.split('/')[0] !== '..') steps.push(`cd '${way}'`)
  if (!report.hasCommits && report.bare)
    steps.push(
      `git push '${report.root}' HEAD:${report.canonicalBranch ?? 'main'}${style.dim('   from a clone with a first commit')}`,
    )
  else if (!report.hasCommits) steps.push('git add --all && git commit -m "First commit"')
  else if (!report.bare && report.changed.includes('overstory.yaml'))
    steps.push('git add overstory.yaml && git commit -m "Configure ov"')
  const usable = report.runtimes.find((runtime) => runtime.id === report.runtime && runtime.installed)
  steps.push(
    usable === undefined
      ? `ov sling --runtime shell --task "Say hello" --command 'echo hello > hello.txt' --wait`
      : 'ov sling --task "Implement user authentication" --wait',
  )
  const wanted = report.runtimes.find((runtime) => runtime.id === report.runtime)
  if (usable === undefined && wanted !== undefined)
    steps.push(`${wanted.install}${style.dim(`   to work with ${wanted.title}`)}`)
  steps.push('ov doctor')
  return steps
}
