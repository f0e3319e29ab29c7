import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Held, held, type Step, say, shell } from '../../src/certify/llm/script.ts'
import { allProcesses, argumentsOf, processesMarked, programOfProcess, signal } from '../../src/os/process.ts'
import type { Up } from '../../src/watchdog/up.ts'
import { CLAUDE, CODEX } from './cli.ts'
import { account, context, type Fleet, openFleet, playOf, times } from './fleet.ts'
import { installed } from './install.ts'
import { commit, of } from './jobs.ts'

/*
 * A real agent CLI before a scripted model, killed in the middle of its task. What it had committed is on main in the end,
 * what it had not committed is still in its worktree when it goes on, and it knows its task.
 */

const POLL = { timeout: 100_000, interval: 200 }
const AGENT = 'builder-1'

interface Recorded {
  readonly at: number
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

describe.each([CLAUDE, CODEX])('$title', (cli) => {
  let bin = ''
  let fleet: Fleet
  beforeAll(async () => {
    bin = await installed(cli.npm)
  })
  afterEach(() => fleet.close())

  const state = async () => (await fleet.json<{ agent: { state: string } }>('inspect', AGENT)).agent.state
  const events = async () => (await fleet.json<{ entries: Recorded[] }>('logs', AGENT, '--events')).entries
  const recovered = async () => (await events()).filter(({ type }) => type === 'agent.recovered')

  /** The processes of the CLI, on a screen or on pipes. */
  const running = () =>
    everything(fleet).filter(({ pid }) => {
      const program = programOfProcess(pid) ?? ''
      return cli.trial.executables.some((end) => program.endsWith(end))
    })

  /** Slings a task whose agent commits, leaves a file uncommitted and is then asked for its next move: `killed`. */
  async function midTask(...more: string[]): Promise<Held> {
    fleet = await openFleet(cli, bin)
    const killed = held(say('Never said.'))
    fleet.llm.play('builder', of(AGENT), [...firstHalf(), killed, ...secondHalf()])
    const slung = await fleet.ov('sling', '--runtime', cli.runtime.id, ...more, '--task', 'Write two halves')
    expect(slung.code, slung.output).toBe(0)
    await killed.reached
    return killed
  }

  /** The task is merged, with all that was done before and after; a second `ov up` finds nothing to do. */
  async function isWhole(name: string, how: 'resumed' | 'digest'): Promise<void> {
    await expect.poll(state, POLL).toBe('done')
    expect(fleet.git('show', 'main:one.txt')).toBe('one')
    expect(fleet.git('show', 'main:two.txt')).toBe('two')
    expect(fleet.git('log', '--format=%s', '--reverse', 'main')).toMatch(/First half\n(.*\n)*Second half/)
    expect(fleet.git('status', '--porcelain')).toBe('')

    const [once, ...again] = await recovered()
    expect(again).toEqual([])
    expect(once?.data).toMatchObject({ context: how })
    const seen = context(fleet.llm.asked('builder').at(-1))
    // It looked how things stood: its commit was there, and so was what it had not committed.
    expect(seen).toContain('?? two.txt')
    if (how === 'resumed') expect(times(seen, 'Write two halves')).toBe(1)
    else expect(seen).toMatch(/Your earlier conversation is lost\.(.|\n)*Your task:\n\nWrite two halves/)

    expect(await fleet.json<Up>('up')).toMatchObject({ planned: [], merges: 0, did: [], said: [], pending: [] })
    expect(running()).toEqual([])
    expect(await fleet.json('fsck')).toMatchObject({ ok: true, problems: [] })
    account(`${cli.runtime.id}-recovery-${name}`, {
      'What the model saw and did': playOf(fleet.llm.asked('builder').at(-1)),
      'ov logs builder-1 --events': (await fleet.ov('logs', AGENT, '--events')).output,
      'git log --graph --stat main': fleet.git('log', '--graph', '--stat', '--format=%h %an %s%n%b', 'main'),
    })
  }

  test.each(['--no-interactive', '--interactive'])(
    '%s: its CLI killed, its runner takes the conversation up again, and the task lands',
    async (mode) => {
      await midTask(mode)
      expect(running()).not.toEqual([])
      for (const who of running()) signal(who, 'SIGKILL')
      await isWhole(`cli${mode}`, 'resumed')
    },
  )

  test('its runner killed, a watcher sees it at once, no CLI is left behind, and the task lands', async () => {
    await midTask()
    expect((await fleet.ov('watch', '--background')).code).toBe(0)
    const before = running().map(({ pid }) => pid)
    expect(before).not.toEqual([])
    const at = Date.now()
    for (const who of runners(fleet)) signal(who, 'SIGKILL')
    await expect.poll(async () => (await events()).map(({ type }) => type), POLL).toContain('agent.runner-gone')
    const noticed = (await events()).find(({ type }) => type === 'agent.runner-gone')
    expect((noticed?.at ?? 0) - at).toBeLessThan(2_000)
    await expect.poll(() => running().filter(({ pid }) => before.includes(pid)), POLL).toEqual([])
    await isWhole('runner', 'resumed')
  })

  test.each(['--no-interactive', '--interactive'])(
    '%s: everything killed, ov up brings it back in its conversation, and the task lands',
    async (mode) => {
      await midTask(mode)
      expect((await fleet.ov('watch', '--background')).code).toBe(0)
      await killEverything(fleet)
      const up = await fleet.json<Up>('up')
      expect(up.planned).toEqual([{ agent: AGENT, state: 'working', do: 'recover' }])
      expect(up.pending).toEqual([])
      // The second one finds all of them at work.
      expect(await fleet.json<Up>('up')).toMatchObject({ planned: [], did: [], said: [] })
      await isWhole(`everything${mode}`, 'resumed')
    },
  )

  test('everything killed and its conversation lost, ov up tells it from the records, and the task lands', async () => {
    await midTask()
    await killEverything(fleet)
    forgetConversations(fleet)
    expect((await fleet.json<Up>('up')).planned).toEqual([{ agent: AGENT, state: 'working', do: 'recover' }])
    await isWhole('digest', 'digest')
  })
})

const firstHalf = (): Step[] => [
  commit('one', 'one.txt', 'First half'),
  shell('echo two > two.txt && git status --short'),
]

const secondHalf = (): Step[] => [
  shell('git log --oneline && git status --short'),
  shell('git add two.txt && git commit -q -m "Second half" && npm test && ov done --summary "Both halves"'),
  say('Done.'),
]

/** Everything that runs in this home: agents, runners, the tmux server, the watcher. */
const everything = ({ home }: Fleet) => processesMarked('XDG_RUNTIME_DIR', home.env.XDG_RUNTIME_DIR ?? '')

/** All at once is not to be had: what is started by one that dies last is killed too. */
async function killEverything(fleet: Fleet): Promise<void> {
  expect(everything(fleet).length).toBeGreaterThan(3)
  await expect
    .poll(() => {
      const left = everything(fleet)
      for (const who of left) signal(who, 'SIGKILL')
      return left
    }, POLL)
    .toEqual([])
}

const runners = (fleet: Fleet) => {
  const mine = new Set(everything(fleet).map(({ pid }) => pid))
  return allProcesses().filter(({ pid }) => mine.has(pid) && argumentsOf(pid)[2] === 'runner')
}

/** The files in which CLIs keep what was said, in the human's home and in agents' own. */
function forgetConversations({ home, repo }: Fleet): void {
  for (const folder of [home.env.HOME ?? '', join(repo, '.overstory', 'agents')]) {
    if (!existsSync(folder)) continue
    for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
      if (path.endsWith('.jsonl')) rmSync(join(folder, path))
  }
}
