import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { insertAgent, setAgentState, takeOver } from '../../../src/agents/store.ts'
import { systemClock } from '../../../src/clock.ts'
import { openDatabase, write } from '../../../src/db/open.ts'
import { eventsBeyond, lastEventId, recordEvent } from '../../../src/events/store.ts'
import { identify } from '../../../src/os/process.ts'
import { beginRun } from '../../../src/tasks/runs.ts'
import { insertTask } from '../../../src/tasks/store.ts'
import { Eyes } from '../../../src/watchdog/eyes.ts'
import { claimWatch } from '../../../src/watchdog/lease.ts'
import { firstRound, tick } from '../../../src/watchdog/tick.ts'
import type { Row, Side } from '../row.ts'
import type { Stage } from '../stage.ts'

/** A tmux server with so many sessions and a control-mode client: the least that looking at a fleet costs. */
function sessions(
  stage: Stage,
  count: number,
): { argv: string[]; ask: () => Promise<void>; told: (wanted: RegExp) => Promise<void> } {
  const argv = ['tmux', '-S', join(stage.home.path, 'bare.sock'), '-f', '/dev/null']
  const names = ['holder', ...Array.from({ length: count }, (_, index) => `s${index}`)]
  // One command line has an end.
  for (let at = 0; at < names.length; at += 100) {
    const news = names.slice(at, at + 100).flatMap((name) => ['new-session', '-d', '-s', name, 'sleep', '1000', ';'])
    execFileSync(argv[0] ?? '', [...argv.slice(1), ...news.slice(0, -1)], {
      env: { ...stage.home.env, TERM: 'xterm' },
    })
  }
  const client = spawn('tmux', [...argv.slice(1), '-C', 'attach-session', '-t', '=holder:', '-f', 'no-output'], {
    env: { ...stage.home.env, TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let heard = ''
  let listener: () => void = () => undefined
  client.stdout.setEncoding('utf8').on('data', (text: string) => {
    heard += text
    listener()
  })
  const told = (wanted: RegExp) =>
    new Promise<void>((resolve) => {
      listener = () => {
        if (!wanted.test(heard)) return
        heard = ''
        resolve()
      }
      listener()
    })
  stage.afterwards(async () => client.kill())
  return {
    argv,
    told,
    ask: () => {
      client.stdin.write(`list-panes -a -F '#{pane_pid} #{session_name}'\n`)
      return told(/^%end .*\n$/m)
    },
  }
}

/** A fleet in a database, its runners real processes that sleep, and the watchdog's rounds over it. */
async function fleetOf(stage: Stage, count: number): Promise<() => Promise<unknown>> {
  const stateDir = join(stage.home.path, 'state')
  mkdirSync(stateDir)
  const db = openDatabase(join(stateDir, 'state.db'))
  const runners: ChildProcess[] = []
  const run = await beginRun(db, Date.now())
  for (let index = 0; index < count; index++) {
    const runner = spawn('sleep', ['1000'], { stdio: 'ignore' })
    runners.push(runner)
    const who = identify(runner.pid ?? 0)
    if (who === null) throw new Error('no runner')
    const name = `a${index}`
    await write(db, async (tx) => {
      const now = Date.now()
      const task = {
        runId: run.id,
        title: name,
        body: name,
        capability: 'builder',
        command: null,
        files: null,
        baseRef: null,
        again: true,
      } as const
      const { id: taskId } = await insertTask(tx, task, now)
      const agent = await insertAgent(
        tx,
        {
          runId: run.id,
          taskId,
          name,
          capability: 'builder',
          runtime: 'shell',
          mode: 'structured',
          model: null,
          parentId: null,
          depth: 0,
          branch: name,
          worktree: name,
        },
        now,
      )
      const own = await takeOver(tx, agent, ['queued'], who, 'starting', now)
      if (own === null) throw new Error('no agent')
      await setAgentState(tx, own, { name: 'working' }, now)
      for (let event = 0; event < 20; event++) await recordEvent(tx, { at: now, type: 'tool.end', agentId: agent.id })
      mkdirSync(join(stateDir, 'logs', agent.id), { recursive: true })
      writeFileSync(join(stateDir, 'logs', agent.id, 'output.ndjson'), '{"stream":"out"}\n')
    })
  }
  const lease = await claimWatch(db, systemClock)
  if ('pid' in lease) throw new Error('somebody watches')
  const eyes = new Eyes(db, systemClock)
  const round = firstRound(db, systemClock, lease, eyes)
  const place = {
    stateDir,
    maxConcurrent: count,
    mergeAuto: true,
    answerWithin: 900_000,
    tells: false,
    loopAfter: 5,
    deadlines: {},
  }
  stage.afterwards(async () => {
    eyes.close()
    for (const runner of runners) runner.kill()
    await db.destroy()
  })
  const limits = { nudgeAfter: 3_600_000, nudgeEvery: 3_600_000, nudges: 3, toolLimit: 3_600_000 }
  return () => tick(round, place, limits, { read: true, due: systemClock.monotonic() + 60_000 })
}

function tickRow(count: 5 | 25 | 50 | 500): Row {
  return {
    figure: `tick-${count}`,
    async prepare(stage) {
      const { ask } = sessions(stage, count)
      const look = await fleetOf(stage, count)
      return {
        floor: { name: 'one listing by tmux control mode', take: () => often(stage, ask) },
        ours: { name: 'a round: read, look, judge', take: () => often(stage, look) },
      }
    },
  }
}

const TIMES = 50

async function often(stage: Stage, work: () => Promise<unknown>) {
  const { ms } = await stage.timed(async () => {
    for (let time = 0; time < TIMES; time++) await work()
  })
  return { ms, count: TIMES }
}

const death: Row = {
  figure: 'death-noticed',
  async prepare(stage) {
    const cwd = await stage.project()
    const { argv, told } = sessions(stage, 0)
    const started = await stage.home.ov(cwd, ['watch', '--background'])
    if (!started.ok) throw new Error(started.output)
    const db = openDatabase(join(cwd, '.overstory', 'state.db'))
    stage.afterwards(() => db.destroy())
    const until = async <T>(look: () => Promise<T | undefined>): Promise<T> => {
      for (;;) {
        const found = await look()
        if (found !== undefined) return found
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    const floor: Side = {
      name: 'tmux tells of a session’s end',
      async take(round) {
        const pid = execFileSync(argv[0] ?? '', [
          ...argv.slice(1),
          'new-session',
          '-d',
          '-P',
          '-F',
          '#{pane_pid}',
          '-s',
          `d${round}`,
          'sleep 1000',
        ])
        await told(/%sessions-changed/)
        return stage.timed(() => {
          process.kill(Number(pid), 'SIGKILL')
          return told(/%sessions-changed/)
        })
      },
    }
    const ours: Side = {
      name: 'kill -9 of a runner until it is recorded',
      async take(round) {
        const before = await lastEventId(db)
        const slung = ['sling', '--runtime', 'shell', '--task', `Hang ${round}`, '--command', 'sleep 600']
        const { ok, output } = await stage.home.ov(cwd, slung)
        if (!ok) throw new Error(output)
        const runner = await until(
          async () =>
            (await db.selectFrom('agents').selectAll().where('state', '=', 'working').executeTakeFirst()) ?? undefined,
        )
        const killed = Date.now()
        process.kill(runner.owner_pid ?? 0, 'SIGKILL')
        const gone = await until(async () =>
          (await eventsBeyond(db, before, 1_000)).find(({ type }) => type === 'agent.runner-gone'),
        )
        await until(
          async () =>
            (await db
              .selectFrom('agents')
              .selectAll()
              .where('id', '=', runner.id)
              .where('state', '=', 'failed')
              .executeTakeFirst()) ?? undefined,
        )
        return { ms: Math.max(1, gone.at - killed) }
      },
    }
    return { floor, ours }
  },
}

/** What a process holds, in MB: all that is mapped, or only what is its own. */
function memoryOf(pid: number, what: 'Rss' | 'Private_Dirty'): { ms: number } {
  const kilobytes = new RegExp(`^${what}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]
  return { ms: Number(kilobytes) / 1024 }
}

function memoryRow(figure: 'watch-rss' | 'watch-private', what: 'Rss' | 'Private_Dirty'): Row {
  return {
    figure,
    async prepare(stage) {
      const cwd = await stage.project()
      const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { env: { ...stage.home.env } })
      stage.afterwards(async () => bare.kill())
      const started = await stage.home.ov(cwd, ['watch', '--background', '--json'])
      if (!started.ok) throw new Error(started.output)
      const { pid } = JSON.parse(started.stdout)
      // Resident all day means after work, not before.
      for (const name of ['one', 'two']) {
        const worked = await stage.home.ov(cwd, [
          'sling',
          '--runtime',
          'shell',
          '--task',
          name,
          '--command',
          `echo ${name} > ${name}`,
          '--wait',
        ])
        if (!worked.ok) throw new Error(worked.output)
      }
      // All of what work has left behind, and of what waiting leaves: it is given back every 20 s.
      const pause = () => new Promise((resolve) => setTimeout(resolve, 1_500))
      return {
        floor: { name: 'a bare Node', take: async () => memoryOf(bare.pid ?? 0, what) },
        ours: { name: 'ov watch, after two tasks', take: () => pause().then(() => memoryOf(pid, what)) },
      }
    },
  }
}

export default [
  tickRow(5),
  tickRow(25),
  tickRow(50),
  tickRow(500),
  death,
  memoryRow('watch-rss', 'Rss'),
  memoryRow('watch-private', 'Private_Dirty'),
]
