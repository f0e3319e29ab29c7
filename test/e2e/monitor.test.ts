import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { insertAgent } from '../../src/agents/store.ts'
import { MIGRATIONS } from '../../src/db/migrations.ts'
import { recordEvent } from '../../src/events/store.ts'
import type { MonitorReport } from '../../src/monitor/report.ts'
import { identify, liveness } from '../../src/os/process.ts'
import { beginRun } from '../../src/tasks/runs.ts'
import { insertTask } from '../../src/tasks/store.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { openPane, type Pane } from '../rig/pane.ts'
import { type Home, makeHome, OV } from '../rig/sandbox-home.ts'

/** `ov monitor` as a person has it: in a terminal (a pane of a tmux of the test's own), beside a live fleet. */

let home: Home
let fleet: Fleet
let pane: Pane | null
beforeEach(async () => {
  home = makeHome()
  fleet = await makeFleet(home, { config: 'merge: { auto: false }' })
  pane = null
})
afterEach(async () => {
  pane?.close()
  await home.dispose()
})

async function watching(options: Parameters<typeof openPane>[2] = {}, ...args: string[]): Promise<Pane> {
  pane = openPane(home, fleet.repo, options)
  await pane.press(`${process.execPath} ${OV} monitor ${args.join(' ')}`.trim(), 'Enter')
  await pane.expectText('? help')
  return pane
}

/** What is left on the screen once the monitor has ended. */
async function expectShell(at: Pane): Promise<void> {
  await expect.poll(() => at.state()).toEqual({ alternate: false, cursor: true })
  // Typed letters are shown again, line by line: the terminal is as it was.
  await at.press('echo cod=$?', 'Enter')
  await at.expectText(/cod=\d+/)
}

const exitCode = (at: Pane) => Number(/cod=(\d+)/.exec(at.shows().join('\n'))?.[1])

test('it shows the fleet, is drawn again when something changes, and leaves the terminal as it was', async () => {
  await fleet.sling('steady', 'echo "compiling main.ts"; sleep 600')
  await fleet.expectState('steady', 'working')
  const at = await watching()
  await at.expectText(/● steady +working/)
  await at.expectText('compiling main.ts')
  expect(at.state().alternate).toBe(true)
  await fleet.sling('broken', 'exit 3')
  await at.expectText(/✗ broken +failed/)
  await at.expectText('broken failed: The command ended with exit code 3.')
  await at.press('q')
  await expectShell(at)
  expect(exitCode(at)).toBe(0)
  expect(at.shows().join('\n')).not.toContain('steady')
})

test('what needs a person comes first; keys nudge, answer, inspect and stop, each as the command does', async () => {
  await fleet.sling('asker', 'ov ask --to human "Which database?" --wait && sleep 600')
  await fleet.expectState('asker', 'waiting')
  const at = await watching()
  await at.expectText('[1 Problems')
  await at.expectText('asker asks: Which database?')
  await at.press('r')
  await at.expectText('Reply to asker:')
  at.type('SQLite; not "Postgres" $(id)')
  await at.press('Enter')
  await fleet.expectState('asker', 'working')
  const { db } = fleet
  const bodies = async () => (await db.selectFrom('mail').select(['body', 'sender', 'reader']).execute()) ?? []
  const { id } = await fleet.agent('asker')
  expect(await bodies()).toContainEqual({ body: 'SQLite; not "Postgres" $(id)', sender: 'human', reader: id })

  await at.press('2', 'n')
  await at.expectText('Nudge asker:')
  at.type('--help me, please')
  await at.press('Enter')
  await expect.poll(bodies).toContainEqual({ body: '--help me, please', sender: 'human', reader: id })

  await at.press('Enter')
  await at.expectText('Task of asker')
  await at.expectText('Worktree')
  await at.press('Escape', 's')
  await at.expectText('Stop asker and all its processes?')
  await at.press('x')
  await at.press('s', 'y')
  await fleet.expectState('asker', 'stopped')
  await at.expectText(/■ asker +stopped/)
})

test('attaching gives the terminal to the agent’s screen, and comes back clean', async () => {
  await fleet.sling('talker', 'echo "I am the screen of talker"; sleep 600')
  await fleet.expectState('talker', 'working')
  const at = await watching()
  await at.press('2')
  await at.expectText('● talker')
  await at.press('a')
  await at.expectText('── talker')
  await at.expectText('[talker]')
  await at.press('C-b', 'd')
  await at.expectText('? help')
  await at.press('j', '?')
  await at.expectText('to the beginning, to the end')
  await at.press('q', 'q')
  await expectShell(at)
})

test('it survives any size: resized again and again, every line is where it belongs', async () => {
  await fleet.sling('steady', 'sleep 600')
  await fleet.expectState('steady', 'working')
  const at = await watching({ columns: 120, rows: 40 })
  for (const [columns, rows] of [
    [20, 10],
    [200, 60],
    [40, 3],
    [5, 2],
    [80, 24],
  ] as const) {
    at.resize(columns, rows)
    await expect.poll(() => at.shows().length).toBe(rows)
  }
  await at.expectText(/^repo/)
  await at.expectText(/● steady +working/)
  await expect.poll(() => at.shows().at(-1)).toMatch(/^\? help {2}q quit/)
  expect(at.shows().filter((line) => line.includes('? help'))).toHaveLength(1)
})

test('without UTF-8 it is drawn in ASCII; with NO_COLOR without colours', async () => {
  await fleet.sling('steady', 'echo "┌ 登录"; sleep 600')
  await fleet.expectState('steady', 'working')
  const at = await watching({ env: { LANG: 'C', NO_COLOR: '1' } })
  await at.expectText(/>\* steady +working/)
  expect(at.shows().join('')).toMatch(/^[ -~]*$/)
})

test('it writes nothing: after a session of looking every byte of the database is what it was', async () => {
  await fleet.sling('asker', 'ov ask --to human "Which?" --wait')
  await fleet.expectState('asker', 'waiting')
  await home.ov(fleet.repo, ['stop', 'asker'])
  await fleet.db.destroy()
  const file = join(fleet.repo, '.overstory', 'state.db')
  const bytes = () => ['', '-wal'].map((end) => (existsSync(file + end) ? readFileSync(file + end) : Buffer.alloc(0)))
  const before = bytes()
  const at = await watching()
  await at.press('1', '2', 'j', 'Enter', 'Escape', '3', 'Enter', 'Escape', '4', '5', '/', 'x', 'Escape', 'q')
  await expectShell(at)
  expect(bytes()).toEqual(before)
})

test('a signal, a closed terminal or a project that goes ends it, with the terminal as it was', async () => {
  const at = await watching()
  const [pid = 0] = at.pids()
  process.kill(pid, 'SIGTERM')
  await expectShell(at)
  expect(exitCode(at)).toBe(130)

  await at.press(`clear; ${process.execPath} ${OV} monitor`, 'Enter')
  await at.expectText('? help')
  renameSync(join(fleet.repo, '.overstory'), join(home.path, 'away'))
  await at.expectText("The project's database is not there any more")
  await at.expectText('Hint:')
  expect(at.state()).toEqual({ alternate: false, cursor: true })
  renameSync(join(home.path, 'away'), join(fleet.repo, '.overstory'))

  await at.press(`clear; ${process.execPath} ${OV} monitor`, 'Enter')
  await at.expectText('? help')
  const [last = 0] = at.pids()
  const who = identify(last)
  expect(who).not.toBeNull()
  at.close()
  pane = null
  await expect.poll(() => (who === null ? 'gone' : liveness(who))).toBe('gone')
})

test('with 50 agents and a flood of events it takes about 2 % of a core, and keeps up', async () => {
  const { db } = fleet
  const now = Date.now()
  const run = await beginRun(db, now)
  for (let index = 1; index <= 50; index++) {
    const name = `agent-${index}`
    const facts = { capability: 'builder', files: null, baseRef: null, again: false } as const
    const task = await insertTask(db, { ...facts, runId: run.id, title: name, body: name, command: 'true' }, now)
    const more = { capability: 'builder', runtime: 'shell', model: null, mode: 'structured', parentId: null } as const
    const place = { depth: 0, branch: `ov/run-1/${name}`, worktree: name }
    const agent = await insertAgent(db, { ...more, ...place, runId: run.id, taskId: task.id, name }, now)
    await db.updateTable('agents').set({ state: 'working' }).where('id', '=', agent.id).execute()
  }
  const at = await watching({ columns: 200, rows: 60 })
  const [pid = 0] = at.pids()
  const spent = () => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    return [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]) * 10, 0)
  }
  const agents = await db.selectFrom('agents').select('id').execute()
  let step = 0
  const flood = async (ms: number) => {
    for (const end = performance.now() + ms; performance.now() < end; step++) {
      const data = { tool: 'Bash', summary: `step ${step}` }
      await recordEvent(db, { at: Date.now(), type: 'tool.start', agentId: agents[step % 50]?.id ?? null, data })
      await delay(10)
    }
  }
  await flood(4_000)
  const before = spent()
  await flood(8_000)
  expect((spent() - before) / 8_000).toBeLessThan(0.026)
  await at.expectText(`step ${step - 1}`)
})

test('a database of a newer ov ends it honestly, at the start and while it is open', async () => {
  const at = await watching()
  const newer = new Database(join(fleet.repo, '.overstory', 'state.db'))
  newer.pragma(`user_version = ${MIGRATIONS.length + 1}`)
  newer.close()
  await at.expectText('was written by a newer ov')
  expect(at.state().alternate).toBe(false)
  const again = await home.ov(fleet.repo, ['monitor', '--once'])
  expect([again.code, again.output]).toEqual([6, expect.stringContaining('newer ov')])
})

test('where no live screen can be, one picture is printed, and said how', async () => {
  await fleet.sling('steady', 'sleep 600')
  await fleet.expectState('steady', 'working')
  const piped = await home.ov(fleet.repo, ['monitor'])
  expect(piped.code).toBe(0)
  expect(piped.stdout).toMatch(/● steady +working/)
  expect(piped.output).toContain('ov monitor --once')
  expect(Math.max(...piped.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  const once = await home.ov(fleet.repo, ['monitor', '--once'], { env: { COLUMNS: '40', LC_ALL: 'C' } })
  expect(once.output).toBe(once.stdout)
  expect(once.stdout).toMatch(/^[ -~\n]*$/)
  const json = await home.ov(fleet.repo, ['monitor', '--once', '--json'])
  const report: MonitorReport = JSON.parse(json.stdout)
  expect(report.agents).toMatchObject([{ name: 'steady', condition: 'working', doing: '' }])
  expect((await home.ov(home.path, ['monitor', '--once'])).output).toContain('not inside a git repository')
  pane = openPane(home, fleet.repo, { env: { TERM: 'dumb' } })
  await pane.press(`${process.execPath} ${OV} monitor`, 'Enter')
  await pane.expectText('TERM=dumb')
  await pane.expectText(/● steady +working/)
})
