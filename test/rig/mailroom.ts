import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Agent, findAgent, getAgent, insertAgent, setAgentState } from '../../src/agents/store.ts'
import type { Clock } from '../../src/clock.ts'
import type { Capability } from '../../src/contract/states.ts'
import { openDatabase, write } from '../../src/db/open.ts'
import { bounceUnread } from '../../src/mail/bounce.ts'
import type { Post } from '../../src/mail/deliver.ts'
import { beginRun } from '../../src/tasks/runs.ts'
import { insertTask } from '../../src/tasks/store.ts'

/** A real project database with agents in it whose runners the test plays, and a clock the test owns. */
export interface Mailroom extends Post {
  readonly clock: Clock & {
    /** Time passes. */
    advance(ms: number): void
    /** Somebody sets the wall clock, by so much. */
    set(byMs: number): void
  }
  /** Adds an agent that reads mail; `parent` is the name of whom it reports to. */
  agent(name: string, options?: { capability?: Capability; parent?: string }): Promise<Agent>
  /** Ends an agent, as its runner would: its unread mail bounces. */
  end(name: string, state?: 'done' | 'failed'): Promise<void>
  dispose(): Promise<void>
}

export async function mailroom(): Promise<Mailroom> {
  const folder = mkdtempSync(join(tmpdir(), 'ovm-'))
  const databasePath = join(folder, 'state.db')
  const db = openDatabase(databasePath)
  let now = 1_700_000_000_000
  let monotonic = now
  const clock = {
    now: () => now,
    monotonic: () => monotonic,
    advance(ms: number) {
      now += ms
      monotonic += ms
    },
    set(byMs: number) {
      now += byMs
    },
  }
  const run = await beginRun(db, now)
  const named = async (name: string): Promise<Agent> => {
    const agent = await findAgent(db, name)
    if (!agent) throw new Error(`no agent ${name} in this mailroom`)
    return agent
  }
  return {
    db,
    clock,
    databasePath,
    async agent(name, { capability = 'builder', parent } = {}) {
      const above = parent === undefined ? null : await named(parent)
      return write(db, async (tx) => {
        const task = await insertTask(
          tx,
          {
            runId: run.id,
            title: name,
            body: `What ${name} is to do`,
            capability,
            command: null,
            files: null,
            baseRef: null,
            again: true,
          },
          now,
        )
        const agent = await insertAgent(
          tx,
          {
            runId: run.id,
            taskId: task.id,
            name,
            capability,
            runtime: 'shell',
            model: null,
            mode: 'structured',
            parentId: above?.id ?? null,
            depth: above === null ? 0 : above.depth + 1,
            branch: `ov/${run.name}/${name}`,
            worktree: name,
          },
          now,
        )
        await setAgentState(tx, agent, { name: 'working' }, now)
        return (await getAgent(tx, agent.id)) ?? agent
      })
    },
    async end(name, state = 'done') {
      const agent = await named(name)
      await write(db, async (tx) => {
        await setAgentState(tx, agent, state === 'done' ? { name: 'done' } : { name: 'failed', reason: 'test' }, now)
        await bounceUnread(tx, agent, now)
      })
    },
    async dispose() {
      await db.destroy()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
