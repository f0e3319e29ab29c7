import type { StatusReport } from '../reports/report.ts'
import { style } from './style.ts'
import { widthOf, wrapTo } from './width.ts'

/** Something a person might do now, and how it is typed. */
export interface Step {
  readonly what: string
  readonly command: string
}

/** Where there is no project yet. */
export const FIRST_STEPS: readonly Step[] = [
  { what: 'Set up the repository you are in', command: 'ov init' },
  { what: 'Watch a small fleet at work, in a throw-away repository', command: 'ov demo' },
  { what: 'See all commands', command: 'ov --help' },
]

/**
 * What one might do as things stand, likeliest first. Problems name their own way out and are not repeated.
 *
 * @param how only the first, or all of them
 */
export function nextSteps({ agents, landing, mail }: StatusReport, how: 'all' | 'first'): Step[] {
  const open = agents.filter(({ endedAt }) => endedAt === null)
  const latest = open.findLast(({ condition }) => condition === 'working') ?? open[0]
  const behind = landing !== null && landing.blocked === null && landing.commits > 0
  const sling = {
    what:
      agents.length === 0
        ? 'Nobody is at work. Give an agent a task'
        : open.length === 0
          ? 'Everything is done. Give the next task'
          : 'Give another task',
    command: agents.length === 0 ? 'ov sling --task "Implement user authentication"' : 'ov sling --task "…"',
  }
  if (how === 'first') return [sling]
  return [
    ...(latest === undefined
      ? []
      : [
          { what: 'Watch them live', command: 'ov monitor' },
          { what: `Follow ${latest.name}`, command: `ov logs ${latest.name} -f` },
        ]),
    ...(mail.unread > 0 ? [{ what: 'Read your mail', command: 'ov mail check' }] : []),
    ...(behind ? [{ what: 'Bring your checkout along', command: 'ov land' }] : []),
    sling,
    ...(open.some(({ capability }) => capability === 'coordinator')
      ? []
      : [{ what: 'Say what you want, and have the work cut for you', command: 'ov coordinator "Build a login page"' }]),
    ...(agents.length > 0 && open.length === 0 ? [{ what: 'See what the run did', command: 'ov run show' }] : []),
    { what: 'See all commands', command: 'ov --help' },
  ]
}

/** Steps as lines: the command beside what it does where both fit, else below. */
export function stepLines(steps: readonly Step[], width: number): string[] {
  const longest = Math.max(...steps.map(({ what }) => widthOf(what)))
  const beside = steps.length > 1 && steps.every(({ command }) => longest + 2 + widthOf(command) <= width)
  return steps.flatMap(({ what, command }) =>
    beside
      ? [`${what}${' '.repeat(longest + 2 - widthOf(what))}${style.bold(command)}`]
      : [...wrapTo(`${what}:`, width), ...wrapTo(command, width - 2).map((line) => `  ${style.bold(line)}`)],
  )
}
