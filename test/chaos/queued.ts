import { insertAgent } from '../../src/agents/store.ts'
import { HUMAN } from '../../src/contract/mail.ts'
import { write } from '../../src/db/open.ts'
import { postMail } from '../../src/mail/send.ts'
import type { Project } from '../../src/project.ts'
import { beginRun, currentRun } from '../../src/tasks/runs.ts'
import { insertTask } from '../../src/tasks/store.ts'

/**
 * Puts tasks into the queue as `ov sling` leaves them when no place is free, without starting anybody; without a
 * command, with nothing to say to their agents. Gives the ids of those.
 */
export function queueTasks(
  project: Project,
  tasks: readonly { readonly name: string; readonly command: string | null }[],
): Promise<string[]> {
  return write(project.db, async (tx) => {
    const now = project.clock.now()
    const run = (await currentRun(tx)) ?? (await beginRun(tx, now))
    const facts = { runId: run.id, capability: 'builder' as const }
    const runner = { runtime: 'shell', model: null, mode: 'structured' as const, parentId: null, depth: 0 }
    const ids: string[] = []
    for (const { name, command } of tasks) {
      const what = { title: name, body: name, command, files: null, baseRef: null, again: true }
      const { id: taskId } = await insertTask(tx, { ...facts, ...what }, now)
      const place = { name, branch: `ov/${run.name}/${name}`, worktree: name }
      const { id, capability } = await insertAgent(tx, { ...facts, ...runner, ...place, taskId }, now)
      const dispatch = { type: 'dispatch', subject: name, body: name, payload: { task: taskId, capability } } as const
      if (command !== null) await postMail(tx, { from: HUMAN, to: id, ...dispatch }, now)
      ids.push(id)
    }
    return ids
  })
}
