import { getAgent } from '../agents/store.ts'
import type { Db } from '../db/open.ts'
import { oneLine } from '../mail/frame.ts'
import type { MergeTree } from '../os/git.ts'
import type { Task } from '../tasks/store.ts'
import type { MergeEntry } from './store.ts'

/** The trailers by which a commit is known to be `ov`'s. */
export function trailers({ task, agent, runtime }: { task: string; agent: string; runtime: string }): string {
  return `Ov-Task: ${task}\nOv-Agent: ${agent}\nOv-Runtime: ${runtime}`
}

/** Message of the commit that merges an entry. */
export async function mergeMessage(db: Db, entry: MergeEntry, task: Task): Promise<string> {
  const agent = await getAgent(db, entry.agent_id)
  const by = { task: entry.task_id, agent: agent?.name ?? entry.agent_id, runtime: agent?.runtime ?? 'unknown' }
  return `${oneLine(task.title, 72)}\n\nMerges ${entry.branch}.\n\n${trailers(by)}\n`
}

/** So many conflicting files are named. */
const NAMED = 50

/** What the author of a branch that conflicts is told. */
export function conflictNotice(branch: string, tip: string, merged: Extract<MergeTree, { clean: false }>): string {
  const files = merged.files.slice(0, NAMED).map((file) => `  ${file}`)
  const more = merged.files.length > NAMED ? [`  and ${merged.files.length - NAMED} more`] : []
  return [
    files.length === 0
      ? `Your branch cannot be merged into ${branch}:`
      : `Your branch conflicts with ${branch} in:\n${[...files, ...more].join('\n')}`,
    merged.messages,
    `Merge it into your branch (git merge ${tip}), resolve, commit, and say done again.`,
  ].join('\n\n')
}
