import type { Soundness } from '../fsck/fsck.ts'
import { oneLine } from '../mail/frame.ts'
import { style } from './style.ts'

/** One line when all is as it must be; else each problem with the next thing to type. */
export function fsckPicture({ ok, problems, checked, counted }: Soundness): string {
  const counts = Object.entries({
    agents: counted.agents,
    tasks: counted.tasks,
    mails: counted.mail,
    merges: counted.merges,
    worktrees: counted.worktrees,
  }).map(([of, count]) => (count === 1 ? `1 ${of.slice(0, -1)}` : `${count} ${of}`))
  if (ok) return `${style.green('Sound:')} ${checked.length} invariants, ${counts.join(', ')}.`
  const broken = new Set(problems.map(({ invariant }) => invariant)).size
  return [
    ...problems.flatMap(({ invariant, what, hint }) => [
      `${style.red('✖')} ${oneLine(what, 400)} ${style.dim(`(${invariant})`)}`,
      `  ${style.dim('Hint:')} ${oneLine(hint, 400)}`,
    ]),
    '',
    `${style.red('Broken:')} ${broken} of ${checked.length} invariants, ${problems.length === 1 ? '1 problem' : `${problems.length} problems`}.`,
  ].join('\n')
}
