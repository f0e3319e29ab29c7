import { join } from 'node:path'
import { openFleet } from '../fleet.ts'
import { bareSpawns } from '../floors.ts'
import type { Row } from '../row.ts'
import { signsIn } from '../signs.ts'
import type { Stage } from '../stage.ts'

/** So long a CLI's screen takes to come up, in seconds. */
const SCREEN_S = 0.2
/** Agents of one round of the spawn rate, and how many commands run at once. */
const SPAWNED = 12
const AT_ONCE = 4
const CONFIG = '{ agents: { maxConcurrent: 100, maxSessionsPerRun: 100000 } }'

const returns: Row = {
  figure: 'sling-returns',
  async prepare(stage) {
    const cwd = await stage.project({ config: CONFIG })
    const fleet = openFleet(stage, cwd)
    return {
      floor: { name: 'node -e 0', take: stage.command([process.execPath, '-e', '0']) },
      ours: {
        name: 'ov sling',
        async take(round) {
          const taken = await stage.run(sling(stage, `Task ${round}`, 'exit 0'), { cwd })
          await fleet.untilEnded()
          return taken
        },
      },
    }
  },
}

const ready: Row = {
  figure: 'agent-ready',
  async prepare(stage) {
    const cwd = await stage.project({ config: CONFIG })
    const fleet = openFleet(stage, cwd)
    const signs = signsIn(join(stage.home.path, 'signs'))
    let shown = 0
    const screen = () => `sleep ${SCREEN_S}; : >'${signs.path(`${++shown}`)}'`
    const untilUp = (argv: readonly string[]) =>
      stage.timed(async () => {
        await Promise.all([stage.run(argv, { cwd }), signs.untilThere(shown)])
      })
    return {
      floor: {
        name: `node, then a screen of ${SCREEN_S} s`,
        take: () => untilUp(['/bin/sh', '-c', `'${process.execPath}' -e 0; ${screen()}`]),
      },
      ours: {
        name: 'ov sling, until the screen is up',
        async take(round) {
          const taken = await untilUp(sling(stage, `Task ${round}`, screen()))
          await fleet.untilEnded()
          return taken
        },
      },
    }
  },
}

const rate: Row = {
  figure: 'spawn-rate',
  rounds: { long: 15, short: 3 },
  async prepare(stage) {
    const cwd = await stage.project({ config: CONFIG })
    const fleet = openFleet(stage, cwd)
    const signs = signsIn(join(stage.home.path, 'signs'))
    const bare = stage.repository(2, 'bare')
    const spawns = bareSpawns(stage)
    const many = stage.script(
      'many.sh',
      `seq "$1" "$2" | xargs -P ${AT_ONCE} -I @number@ "$3" "$4" ${slingWords('@number@')}\n`,
    )
    const [node = '', main = ''] = stage.ov()
    let spawned = 0
    const untilAllUp = (argv: readonly string[], folder: string) =>
      stage.timed(async () => {
        await Promise.all([stage.run(argv, { cwd: folder, env: { SIGNS: signs.path('') } }), signs.untilThere(spawned)])
      })
    const next = (): [string, string] => {
      spawned += SPAWNED
      return [`${spawned - SPAWNED + 1}`, `${spawned}`]
    }
    return {
      floor: {
        name: 'git worktree add, sh',
        take: async () => ({ ...(await untilAllUp(['/bin/sh', spawns, ...next()], bare)), count: SPAWNED }),
      },
      ours: {
        name: `ov sling, ${AT_ONCE} at once`,
        async take() {
          const taken = await untilAllUp(['/bin/sh', many, ...next(), node, main], cwd)
          await fleet.stopAll()
          return { ...taken, count: SPAWNED }
        },
      },
    }
  },
}

/** Against `git worktree add` alone, which is what the pool is there to spare an agent. */
const pool: Row = {
  figure: 'pool-10k',
  async prepare(stage) {
    const files = 10_000
    const cwd = await stage.project({
      files,
      config: '{ agents: { maxSessionsPerRun: 100000 }, worktrees: { pool: 2 } }',
    })
    const bare = stage.repository(files, 'bare')
    const fleet = openFleet(stage, cwd)
    const signs = signsIn(join(stage.home.path, 'signs'))
    let shown = 0
    const untilUp = (round: string) =>
      stage.timed(async () => {
        const command = `: >'${signs.path(`${++shown}`)}'`
        await Promise.all([stage.run(sling(stage, round, command), { cwd }), signs.untilThere(shown)])
      })
    await untilUp('Prepare')
    return {
      floor: {
        name: 'git worktree add',
        take: (round) =>
          stage.run(['git', 'worktree', 'add', '--quiet', '-b', `b${round}`, `../t${round}`], { cwd: bare }),
      },
      ours: {
        name: 'ov sling, until it runs',
        async take(round) {
          await fleet.untilEnded()
          await fleet.untilPrepared(2)
          return untilUp(`Task ${round}`)
        },
      },
    }
  },
}

export default [returns, ready, rate, pool] satisfies Row[]

function sling(stage: Stage, task: string, command: string): string[] {
  return stage.ov('sling', '--runtime', 'shell', '--task', task, '--command', command)
}

function slingWords(number: string): string {
  return `sling --runtime shell --task 'Task ${number}' --command ": >'$SIGNS/${number}'; exec sleep 600"`
}
