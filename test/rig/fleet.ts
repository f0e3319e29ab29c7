import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Kysely } from 'kysely'
import { expect } from 'vitest'
import { type Agent, findAgent } from '../../src/agents/store.ts'
import type { AgentStateName } from '../../src/contract/states.ts'
import { openDatabase } from '../../src/db/open.ts'
import type { Schema } from '../../src/db/schema.ts'
import { allProcesses, environmentOf } from '../../src/os/process.ts'
import { type Tmux, tmuxAt } from '../../src/os/tmux.ts'
import type { StatusReport } from '../../src/reports/report.ts'
import { getTask, type Task } from '../../src/tasks/store.ts'
import { configure, type Home, makeRepo } from './sandbox-home.ts'
import { slingShell } from './shell-sling.ts'

/** A repository set up for `ov`, with shell agents driven as a person would. */
export interface Fleet {
  readonly repo: string
  /** Facts straight from the database: quicker than a command where a test only waits. */
  readonly db: Kysely<Schema>
  /** Slings a shell agent of this name. */
  sling(name: string, command: string, ...more: string[]): Promise<void>
  agent(name: string): Promise<Agent>
  task(name: string): Promise<Task>
  /** Waits until the agent is in this state. */
  expectState(name: string, state: AgentStateName): Promise<Agent>
  /** The document of `ov status --json`. */
  status(...args: string[]): Promise<StatusReport>
  /** The fleet's own tmux server. */
  tmux(): Tmux
}

/** @param options.config more lines for `overstory.yaml` */
export async function makeFleet(home: Home, { config = '' } = {}): Promise<Fleet> {
  const repo = makeRepo(home)
  configure(home, repo, config)
  const init = await home.ov(repo, ['init', '--yes'])
  expect(init.output).toContain('set up')
  const db = openDatabase(join(repo, '.overstory', 'state.db'))
  const agent = async (name: string) => {
    const found = await findAgent(db, name)
    if (!found) throw new Error(`no agent ${name}`)
    return found
  }
  return {
    repo,
    db,
    async sling(name, command, ...more) {
      const slung = await home.ov(repo, slingShell(name, command, ...more))
      expect(slung.code, slung.output).toBe(0)
    },
    agent,
    async task(name) {
      const task = await getTask(db, (await agent(name)).task_id)
      if (!task) throw new Error(`no task of ${name}`)
      return task
    },
    async expectState(name, state) {
      await expect.poll(async () => (await agent(name)).state).toBe(state)
      return agent(name)
    },
    async status(...args) {
      const outcome = await home.ov(repo, ['status', '--json', ...args])
      expect(outcome.code, outcome.output).toBe(0)
      return JSON.parse(outcome.stdout)
    },
    tmux() {
      const folder = join(home.env.XDG_RUNTIME_DIR ?? '', `ov-${process.getuid?.() ?? 0}`)
      const tmux = tmuxAt(join(folder, readdirSync(folder)[0] ?? '', 'tmux.sock'))
      if (tmux === null) throw new Error('no tmux here')
      return tmux
    },
  }
}

/** Live processes that carry this in their environment. */
export function carrying(variable: string): number[] {
  return allProcesses()
    .map(({ pid }) => pid)
    .filter((pid) => environmentOf(pid).includes(variable))
}
