import { oneLine } from '../mail/frame.ts'
import type { Litter, LitterKind, Spared } from '../worktrees/clean.ts'
import { style } from './style.ts'
import { cutTo } from './width.ts'

const NAMES: Readonly<Record<LitterKind, [one: string, many: string]>> = {
  worktree: ['worktree', 'worktrees'],
  branch: ['branch', 'branches'],
  folder: ['private folder', 'private folders'],
  log: ['log', 'logs'],
  socket: ['dead socket', 'dead sockets'],
}

/** Shown of each kind; the rest is counted. */
const SHOWN = 10

/** What is (or would be) removed, by kind. */
export function litterLines(litter: readonly Litter[], root: string, width: number): string[] {
  return (Object.keys(NAMES) as LitterKind[]).flatMap((kind) => {
    const those = litter.filter((one) => one.kind === kind)
    if (those.length === 0) return []
    const more = those.length - SHOWN
    return [
      style.bold(`${those.length} ${NAMES[kind][those.length === 1 ? 0 : 1]}`),
      ...those.slice(0, SHOWN).map((one) => `  ${cutTo(line(one, root), width - 2)}`),
      ...(more > 0 ? [style.dim(`  … and ${more} more`)] : []),
    ]
  })
}

/** What stays though its agent has ended, and how to look at it. */
export function sparedLines(spared: readonly Spared[], root: string, width: number): string[] {
  if (spared.length === 0) return []
  return [
    style.bold('Stays'),
    ...spared.flatMap((one) => [
      `  ${cutTo(line(one, root), width - 2)}`,
      `    ${style.dim('→')} ${cutTo(oneLine(one.hint, 300), width - 6)}`,
    ]),
  ]
}

/** Worktrees and branches bear their agent's name; the rest is told by it. */
function line({ kind, what, why, agent }: Litter, root: string): string {
  const short = what.startsWith(`${root}/`) ? what.slice(root.length + 1) : what
  const named = kind === 'worktree' || kind === 'branch' || agent === null ? short : `${agent}: ${short}`
  return `${named} (${oneLine(why, 200)})`
}
