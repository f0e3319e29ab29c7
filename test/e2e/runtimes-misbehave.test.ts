import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findAgent } from '../../src/agents/store.ts'
import { environmentOf } from '../../src/os/process.ts'
import { processesOf, runnersOf } from '../../src/os/tree.ts'
import { outputFile } from '../../src/state-dir.ts'
import type { Outcome } from '../../src/tasks/outcome.ts'
import { fakeClaude } from '../rig/fake-claude.ts'
import { herd } from '../rig/processes.ts'
import { inProject } from '../rig/project.ts'
import { git, type Home, makeHome, readyRepo } from '../rig/sandbox-home.ts'

/*
 * What the engine does with an agent CLI that misbehaves. The CLI is a fake in every case: a shell script that is
 * called `claude` (test/rig/fake-claude.ts).
 */

let home: Home
let repo: string
const sleepers = herd()
beforeAll(async () => {
  home = makeHome()
  repo = await readyRepo(home, 'agents: { startTimeout: 6s }\n')
})
afterAll(async () => {
  sleepers.end()
  await home.dispose()
})

const ALIVE = '{"type":"keep_alive"}'

/** Slings a task to a CLI that is this script, waits for its end, and makes sure that nothing of it is left. */
async function waitFor(task: string, script: string): Promise<Outcome & { code: number | null; screen: string }> {
  const slung = await home.ov(repo, ['sling', '--task', task, '--wait', '--json'], { env: fakeClaude(home, script) })
  const outcome = JSON.parse(slung.stdout) as Outcome
  await expectNothingLeft(outcome.agent)
  const screen = (await home.ov(repo, ['status'])).stdout
  return { ...outcome, code: slung.code, screen }
}

async function expectNothingLeft(name: string): Promise<void> {
  await inProject(home, repo, async (project) => {
    const agent = await findAgent(project.db, name)
    if (!agent) throw new Error(`no agent ${name}`)
    expect(processesOf(agent.id)).toEqual([])
  })
  expect(sleepers.sleepers()).toEqual([])
}

test.each([
  ['ends at once, as if all were well', 'exit 0', 'Claude Code ended in the middle of a turn (exit code 0).'],
  [
    'ends at once with an error',
    'echo "Error: no such module" >&2; exit 1',
    'Claude Code ended in the middle of a turn (exit code 1).\nError: no such module',
  ],
  [
    'says in plain words on stdout why it cannot begin',
    'echo "This version has expired."; exit 1',
    'Claude Code ended in the middle of a turn (exit code 1).\nThis version has expired.',
  ],
  [
    'prints what is no JSON, and no text',
    `echo '{"type":'; head -c 100000 /dev/urandom; exit 2`,
    'Claude Code ended in the middle of a turn (exit code 2).',
  ],
  [
    'closes its input and ends later',
    'exec <&-; sleep 0.2; exit 3',
    'Claude Code ended in the middle of a turn (exit code 3).',
  ],
  [
    'leaves a child behind that holds its output',
    `sleep ${sleepers.token} & echo started; exit 1`,
    'Claude Code ended in the middle of a turn (exit code 1).\nstarted',
  ],
  [
    'leaves a child behind that left its group',
    `setsid sleep ${sleepers.token} & sleep 0.1; exit 1`,
    'Claude Code ended in the middle of a turn (exit code 1).',
  ],
  [
    'hangs at its start',
    `echo "Waiting for the browser …" >&2; sleep ${sleepers.token}`,
    'Claude Code gave no sign of life within 6 s of its start (agents.startTimeout).\nIt said on stderr:\nWaiting for the browser …',
  ],
])('a CLI that %s fails its task, says why, and leaves nothing running', async (what, script, reason) => {
  const ended = await waitFor(what, script)
  expect(ended).toMatchObject({ state: 'failed', failedBy: 'agent', code: 1 })
  expect(ended.reason?.startsWith(reason), ended.reason ?? '').toBe(true)
  expect(ended.screen).toContain(`${ended.agent} failed: ${reason.split('\n')[0]}`)
})

test('a CLI that is killed before it has done anything is started three times more, then put aside', async () => {
  const launches = join(home.path, 'launches')
  const ended = await waitFor('is killed', `echo launched >> '${launches}'; kill -KILL $$`)
  expect(ended).toMatchObject({ state: 'failed', failedBy: 'agent', code: 1 })
  expect(ended.reason?.split('\n').slice(0, 2)).toEqual([
    'Its CLI died, though it was started again 3 times within 10 minutes. It is put aside.',
    'Claude Code ended in the middle of a turn (SIGKILL).',
  ])
  expect(readFileSync(launches, 'utf8').trim().split('\n')).toHaveLength(4)
})

test('a CLI that told of a session and was killed before it wrote anything down begins anew, and is not asked for it', async () => {
  const launches = join(home.path, 'told')
  const id = `id=$(printf '%s' "$*" | sed 's/.*--session-id \\([^ ]*\\).*/\\1/')`
  const init = `echo '{"type":"system","subtype":"init","session_id":"'$id'","model":"fake"}'`
  const ended = await waitFor(
    'is forgotten',
    `echo "$*" >> '${launches}'; read -r line; ${id}; ${init}; sleep 0.3; kill -KILL $$`,
  )
  expect(ended).toMatchObject({ state: 'failed', failedBy: 'agent', code: 1 })
  const typed = readFileSync(launches, 'utf8').trim().split('\n')
  expect(typed).toHaveLength(4)
  for (const words of typed) expect(words).toMatch(/--session-id/)
  expect(typed.join(' ')).not.toContain('--resume')
})

test.each([
  ['100 MB of lines', `yes '{"type":"keep_alive","pad":"${'x'.repeat(4000)}"}' | head -c 100000000; echo`],
  ['one line of 50 MB', "head -c 50000000 /dev/zero | tr '\\0' x; echo"],
])(
  'a CLI that prints %s is read in little memory, its log is rotated, and its work goes on',
  { timeout: 300_000 },
  async (what, flood) => {
    const flooded = join(home.path, `flooded ${what}`)
    const go = join(home.path, `go ${what}`)
    const script = `head -n 2 > /dev/null; ${flood}; touch '${flooded}'; while [ ! -e '${go}' ]; do sleep 0.05; done; echo over; exit 1`
    const env = fakeClaude(home, script)
    const slung = home.ov(repo, ['sling', '--task', `Print ${what}`, '--wait', '--json'], { env })
    await expect.poll(() => existsSync(flooded), { timeout: 240_000 }).toBe(true)
    const peak = await inProject(home, repo, async (project) => {
      const { agents } = JSON.parse((await home.ov(repo, ['status', '--json'])).stdout) as {
        agents: { name: string }[]
      }
      const agent = await findAgent(project.db, agents[0]?.name ?? '')
      const [runner] = runnersOf(agent?.id ?? '')
      if (!agent || !runner) throw new Error('no runner')
      const status = readFileSync(`/proc/${runner.pid}/status`, 'utf8')
      writeFileSync(go, '')
      const { stdout } = await slung
      expect(JSON.parse(stdout)).toMatchObject({ state: 'failed', reason: expect.stringContaining('exit code 1') })
      const log = outputFile(project, agent)
      expect(readFileSync(log, 'utf8')).toContain('"text":"over"')
      const folder = join(log, '..')
      const sizes = readdirSync(folder).map((file) => statSync(join(folder, file)).size)
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(40_000_000)
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1])
    })
    expect(peak).toBeGreaterThan(30_000)
    expect(peak).toBeLessThan(400_000)
  },
)

test('a CLI that ignores SIGTERM is gone soon after ov stop, with its children', async () => {
  const deaf = join(home.path, 'deaf')
  const script = `trap '' TERM; echo '${ALIVE}'; sleep ${sleepers.token} & echo $$ > '${deaf}'; while :; do sleep ${sleepers.token}; done`
  const slung = await home.ov(repo, ['sling', '--task', 'Be deaf', '--json'], { env: fakeClaude(home, script) })
  const { agent } = JSON.parse(slung.stdout) as Outcome
  await expect.poll(() => existsSync(deaf) && readFileSync(deaf, 'utf8').endsWith('\n')).toBe(true)
  const stopped = await home.ov(repo, ['stop', agent, '--json'])
  expect(JSON.parse(stopped.stdout)).toMatchObject({ stopped: [{ agent, state: 'stopped', survivors: [] }] })
  expect(stopped.code).toBe(0)
  await expectNothingLeft(agent)
})

test('a command that leaves something running in the background is done all the same', async () => {
  const command = `sleep ${sleepers.token} & echo a > a.txt`
  const slung = await home.ov(repo, [
    'sling',
    '--runtime',
    'shell',
    '--task',
    'Serve',
    '--command',
    command,
    '--wait',
    '--json',
  ])
  const outcome = JSON.parse(slung.stdout) as Outcome
  expect(outcome).toMatchObject({ state: 'merged' })
  expect(git(home, repo, 'show', 'main:a.txt')).toBe('a')
  await expectNothingLeft(outcome.agent)
})

test('what an outer agent left in the environment reaches neither the runner nor the agent', async () => {
  const outer = {
    CLAUDECODE: '1',
    GEMINI_CLI: '1',
    AGENT: 'goose',
    CODEX_THREAD_ID: 'x',
    NODE_OPTIONS: '--import=data:text/javascript,',
  }
  const seen = join(home.path, 'outer-env')
  const args = [
    'sling',
    '--runtime',
    'shell',
    '--task',
    'Look around',
    '--command',
    `env > '${seen}'; sleep 600`,
    '--json',
  ]
  const slung = await home.ov(repo, args, { env: outer })
  const { agent } = JSON.parse(slung.stdout) as Outcome
  await expect.poll(() => existsSync(seen) && readFileSync(seen, 'utf8').includes('OV_AGENT=')).toBe(true)
  await inProject(home, repo, async (project) => {
    const [runner] = runnersOf((await findAgent(project.db, agent))?.id ?? '')
    const inside = [...environmentOf(runner?.pid ?? 0), ...readFileSync(seen, 'utf8').split('\n')]
    expect(inside.length).toBeGreaterThan(10)
    for (const name of Object.keys(outer)) expect(inside.some((entry) => entry.startsWith(`${name}=`))).toBe(false)
  })
  expect((await home.ov(repo, ['stop', agent])).code).toBe(0)
})
