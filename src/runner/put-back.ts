import { type Agent, isFenced } from '../agents/store.ts'
import { SYSTEM } from '../contract/mail.ts'
import { isFinal } from '../contract/states.ts'
import { write } from '../db/open.ts'
import { messageOf, OvError } from '../errors.ts'
import { postMail } from '../mail/send.ts'
import { GitFailure } from '../os/git.ts'
import type { Project } from '../project.ts'
import { getTask } from '../tasks/store.ts'
import type { Untouched } from '../worktrees/untouched.ts'
import { FILES_NAMED, putBackLetter } from './words.ts'

/** Whose changes were put back so often doesn't listen. */
const MOST_UNDONE = 3

export const CHANGES_AGAIN =
  'Its role is read-only, and it changed its worktree again and again. Each time that was put back.'

/**
 * Looks, each time a turn is over, whether an agent that may only look has changed something: that is kept, put back, and told.
 * True: it goes on doing so.
 *
 * @param untouched its worktree; null for one that may change it
 */
export function puttingBack(
  project: Project,
  agent: Agent,
  untouched: Untouched | null,
  note: (type: string, data: Record<string, unknown>) => Promise<void>,
): () => Promise<boolean> {
  let undone = 0
  return async () => {
    try {
      const changes = (await untouched?.putBack()) ?? null
      if (changes === null) return false
      undone += 1
      await note('agent.put-back', { ...changes, files: changes.files.slice(0, FILES_NAMED) })
      await write(project.db, async (tx) => {
        const task = await getTask(tx, agent.task_id)
        if (!task || isFinal(task.state)) return
        const mail = { from: SYSTEM, to: agent.id, type: 'status', priority: 'high' } as const
        await postMail(tx, { ...mail, ...putBackLetter(changes) }, project.clock.now())
      })
    } catch (error) {
      // Something still works in it, holds git's lock or has taken its .git away: the next turn's end looks again.
      if (!(error instanceof GitFailure || error instanceof OvError) || isFenced(error)) throw error
      await note('agent.put-back-failed', { why: messageOf(error) })
    }
    return undone >= MOST_UNDONE && agent.persistent === 0
  }
}
