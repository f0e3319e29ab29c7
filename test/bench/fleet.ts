import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openAgents } from '../../src/agents/store.ts'
import { openDatabase } from '../../src/db/open.ts'
import { allSlots } from '../../src/worktrees/pool-store.ts'
import type { Stage } from './stage.ts'

/** What goes on in a project between two rounds, untimed. */
export interface Fleet {
  /** Resolves when nobody is at work any more, by the database and by the clock of nobody. */
  untilEnded(): Promise<void>
  /** Resolves when so many worktrees are prepared. */
  untilPrepared(count: number): Promise<void>
  /** Stops everybody and clears away what they leave. */
  stopAll(): Promise<void>
}

export function openFleet(stage: Stage, repo: string): Fleet {
  const db = openDatabase(join(repo, '.overstory', 'state.db'))
  stage.afterwards(() => db.destroy())
  const untilEnded = async () => {
    while ((await openAgents(db)).length > 0) await delay(10)
  }
  return {
    untilEnded,
    async untilPrepared(count) {
      while ((await allSlots(db)).filter(({ state }) => state === 'ready').length < count) await delay(10)
    },
    async stopAll() {
      await stage.run(stage.ov('stop', '--all'), { cwd: repo })
      await untilEnded()
      await stage.run(stage.ov('clean', '--yes', '--log-days', '0'), { cwd: repo })
    },
  }
}
