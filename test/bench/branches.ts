import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { insertAgent } from '../../src/agents/store.ts'
import { openDatabase, write } from '../../src/db/open.ts'
import { enqueueMerge } from '../../src/merge/store.ts'
import { beginRun, currentRun } from '../../src/tasks/runs.ts'
import { countAttempt, insertTask, setTaskState } from '../../src/tasks/store.ts'
import { git } from '../rig/sandbox-home.ts'
import type { Stage } from './stage.ts'

/** A branch with one commit on `main`, which adds a file of its own. */
export interface Branch {
  readonly name: string
  readonly head: string
}

/** Makes so many branches `ov/run-1/w<number>`, all of which merge cleanly. */
export function makeBranches({ home }: Stage, repo: string, count: number): Branch[] {
  const from = git(home, repo, 'rev-parse', 'main')
  const who = 'Test <test@localhost> 1700000000 +0000'
  const names = Array.from({ length: count }, (_, index) => `ov/run-1/w${index}`)
  const commits = names.map((name, index) => {
    const text = `work ${index}\n`
    const file = `M 100644 inline d0/new-${index}\ndata ${text.length}\n${text}\n`
    return `commit refs/heads/${name}\ncommitter ${who}\ndata 4\nWork\nfrom ${from}\n${file}`
  })
  execFileSync('git', ['fast-import', '--quiet'], { cwd: repo, env: { ...home.env }, input: commits.join('\n') })
  const heads = git(home, repo, 'for-each-ref', '--format=%(refname:lstrip=2) %(objectname)', 'refs/heads/ov/run-1/')
  const found = new Map(heads.split('\n').map((line) => line.split(' ', 2) as [string, string]))
  return names.map((name) => ({ name, head: found.get(name) ?? '' }))
}

/** Puts branches into the merge queue, as agents that said `done` leave them. */
export async function enqueue(repo: string, branches: readonly Branch[]): Promise<void> {
  const db = openDatabase(join(repo, '.overstory', 'state.db'))
  await write(db, async (tx) => {
    const now = Date.now()
    const run = (await currentRun(tx)) ?? (await beginRun(tx, now))
    for (const { name, head } of branches) {
      const short = name.split('/').at(-1) ?? name
      const facts = { runId: run.id, capability: 'builder' as const }
      const text = { title: `Task of ${short}`, body: short, command: null, files: null, baseRef: null, again: true }
      const task = await insertTask(tx, { ...facts, ...text }, now)
      const place = { parentId: null, depth: 0, branch: name, worktree: short }
      const agent = await insertAgent(
        tx,
        { ...facts, ...place, taskId: task.id, name: short, runtime: 'shell', mode: 'structured', model: null },
        now,
      )
      // Its runner has ended: it waits for nothing but the merge.
      await tx.updateTable('agents').set({ state: 'done', claimed_done: 1 }).where('id', '=', agent.id).execute()
      await countAttempt(tx, task.id, now)
      await setTaskState(tx, task.id, 'merging', now)
      await enqueueMerge(
        tx,
        { run_id: run.id, task_id: task.id, agent_id: agent.id, branch: name, head_sha: head },
        now,
      )
    }
  })
  await db.destroy()
}
