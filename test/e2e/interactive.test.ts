import { existsSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { eventsBeyond } from '../../src/events/store.ts'
import { findProgram } from '../../src/os/files.ts'
import { run } from '../../src/os/process.ts'
import { killServer, openSession, type Tmux, viewPane } from '../../src/os/tmux.ts'
import { fakeScreenClaude } from '../rig/fake-claude.ts'
import { carrying } from '../rig/fleet.ts'
import { inProject } from '../rig/project.ts'
import { git, type Home, makeHome, OV, readyRepo } from '../rig/sandbox-home.ts'
import type { Options } from '../rig/screen-cli.ts'

let home: Home
let repo: string
beforeEach(async () => {
  home = makeHome()
  repo = await readyRepo(home, 'agents: { startTimeout: 4s }\n')
})
afterEach(() => home.dispose())

const SOON = { timeout: 30_000, interval: 100 }
const commit = (file: string) => `echo ${file} > ${file} && git add ${file} && git commit -q -m "Add ${file}"`
const done = (file: string) => `${commit(file)}; ov done --summary "${file} is in"`

/** An agent on the screen of the fake CLI, and what a person does with it. */
function slung(turns: readonly string[], options: Options = {}, more: Record<string, string> = {}) {
  const { folder, ...path } = fakeScreenClaude(home, turns, options)
  const env = { ...path, ...more }
  const args = ['sling', '--interactive', '--task', 'Add a', '--wait', '--json']
  const outcome = home.ov(repo, args, { env }).then((sling) => {
    expect(sling.stdout, sling.output).not.toBe('')
    return { ...JSON.parse(sling.stdout), code: sling.code }
  })
  const prompts = (): string[] => {
    const path = join(folder, 'prompts.ndjson')
    if (!existsSync(path)) return []
    return readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  }
  return { outcome, prompts, folder }
}

/** Processes of the agent on this machine. */
const processes = () => {
  const ours = carrying(`XDG_RUNTIME_DIR=${home.env.XDG_RUNTIME_DIR}`)
  return carrying('OV_AGENT=builder-1').filter((pid) => ours.includes(pid))
}

const status = async () => (await home.ov(repo, ['status'])).output
const mail = (body: string) => home.ov(repo, ['mail', 'send', '--to', 'builder-1', '--subject', 'Word', '--body', body])

async function ownServer(): Promise<Tmux> {
  return inProject(home, repo, async (project) => {
    if (project.tmux === null) throw new Error('no tmux here')
    return project.tmux
  })
}

/** Keys as a person presses them on the agent's screen. */
async function types(...keys: string[]): Promise<void> {
  const { socket } = await ownServer()
  expect((await run(['tmux', '-S', socket, 'send-keys', '-t', '=builder-1:', ...keys])).output).toBe('')
}

const screen = async () => (await viewPane(await ownServer(), '=builder-1:'))?.text ?? ''

test.each([
  ['reports by hooks', true],
  ['does not', false],
])(
  'an agent on its own screen whose CLI %s gets its task as an argument, mail by paste, and its work is merged',
  async (_, hooks) => {
    const agent = slung(
      [
        `${commit('a.txt')}; ov mail send --to human --subject First --body "a is in"; ov ask "And now?"`,
        done('b.txt'),
      ],
      { hooks },
    )
    await expect.poll(status, SOON).toContain('builder-1 asks: And now?')
    await mail('Now b, please;')
    expect(await agent.outcome).toMatchObject({ state: 'merged' })
    expect(git(home, repo, 'show', 'main:b.txt')).toBe('b.txt')
    const prompts = agent.prompts()
    expect(prompts).toHaveLength(2)
    expect(prompts[0]).toMatch(/^Your task:\n\nAdd a\n/)
    expect(prompts[1]).toContain('Now b, please;')
  },
)

test('what a person has typed and not sent is left alone, status says that mail waits for it, and then it goes in', async () => {
  const agent = slung(['ov ask "And now?"', done('a.txt')], { hooks: true })
  await expect.poll(status, SOON).toContain('asks: And now?')
  await expect.poll(screen, SOON).not.toContain('esc to interrupt')
  await types('wait a moment')
  await expect.poll(screen, SOON).toContain('wait a moment')
  await mail('Go on.')
  await expect.poll(status, SOON).toContain('Something is typed on its screen and not sent')
  expect(await status()).toContain('ov attach builder-1')
  expect((await home.ov(repo, ['inspect', 'builder-1'])).output).toContain('waits until the box is empty')
  expect(agent.prompts()).toHaveLength(1)
  await types('C-u')
  expect(await agent.outcome).toMatchObject({ state: 'merged' })
  expect(agent.prompts()).toHaveLength(2)
  expect(agent.prompts()[1]).toMatch(/^You have mail\./)
})

test('a turn that a person begins on its screen is one like any other; a person who talks to it is not reminded', async () => {
  const go = join(home.path, 'go')
  const agent = slung([`while [ ! -e ${go} ]; do sleep 0.05; done`, 'sleep 1', done('a.txt')], { hooks: true })
  const client = await attached(120, 40)
  writeFileSync(go, '')
  await expect.poll(status, SOON).toContain('Its turn is over; tell it what comes next')
  await types('how is it going?', 'Enter')
  await expect.poll(status, SOON).toContain('working')
  await expect.poll(() => agent.prompts().length, SOON).toBe(2)
  await expect.poll(status, SOON).toContain('Its turn is over; tell it what comes next')
  await types('finish it', 'Enter')
  expect(await agent.outcome).toMatchObject({ state: 'merged' })
  expect(agent.prompts().slice(1)).toEqual(['how is it going?', 'finish it'])
  await client.leave()
})

/** A folder for PATH with links to just these programs. */
function pathOf(...programs: string[]): string {
  const folder = mkdtempSync(join(home.path, 'path-'))
  for (const name of programs) symlinkSync(findProgram(name) ?? `/no ${name}`, join(folder, name))
  return folder
}

/** A person's terminal of this size, in a tmux server of theirs, with `ov attach builder-1` on it. */
async function attached(columns: number, lines: number) {
  const theirs = { socket: join(home.path, 'theirs.sock') }
  const argv = [process.execPath, OV, 'attach', 'builder-1']
  await expect.poll(async () => (await home.ov(repo, ['attach', 'builder-1', '--json'])).code, SOON).toBe(0)
  expect(await openSession(theirs, 'builder-1', argv, { cwd: repo, env: home.env })).toBeNull()
  onTestFinished(() => killServer(theirs))
  const tmux = (...args: string[]) => run(['tmux', '-S', theirs.socket, ...args])
  await tmux('resize-window', '-t', '=builder-1:', '-x', String(columns), '-y', String(lines))
  const width = async () => (await viewPane(await ownServer(), '=builder-1:'))?.columns
  await expect.poll(width, SOON).toBe(columns)
  return { leave: () => killServer(theirs) }
}

test('mail waits while somebody looks on from a terminal of 20 columns, and comes when they have left', async () => {
  const agent = slung(['ov ask "And now?"', done('a.txt')], { hooks: true })
  await expect.poll(status, SOON).toContain('asks: And now?')
  const client = await attached(20, 10)
  await mail('Go on.')
  await client.leave()
  expect(await agent.outcome).toMatchObject({ state: 'merged' })
  expect(agent.prompts()).toHaveLength(2)
})

test('a CLI that a person suspends is set going again; one that they quit between turns is started again with the next prompt', async () => {
  const agent = slung(['ov ask "And now?"', done('a.txt')], { hooks: true })
  await expect.poll(status, SOON).toContain('asks: And now?')
  await types('C-z')
  await expect.poll(screen, SOON).toContain('Suspended.')
  await expect.poll(screen, SOON).toContain('bypass permissions on')
  await types('C-c')
  await expect.poll(screen, SOON).toContain('Bye.')
  await mail('Go on.')
  expect(await agent.outcome).toMatchObject({ state: 'merged' })
  expect(agent.prompts()).toHaveLength(2)
})

/** Events of these types, as type and data, oldest first. */
const happened = (...types: string[]) =>
  inProject(home, repo, async ({ db }) =>
    (await eventsBeyond(db, 0, 10_000))
      .filter(({ type }) => types.includes(type))
      .map(({ type, data_json: data }) => ({ type, data: JSON.parse(data) })),
  )

test('a question on its screen that ov does not know is the human’s: status says so, who watches puts it to them, and the work goes on when it is answered', async () => {
  await home.ov(repo, ['watch', '--background'])
  const agent = slung([done('a.txt')], { asks: 'Delete everything?' })
  await expect.poll(status, SOON).toContain('Its screen asks: "Delete everything?"')
  await expect.poll(() => happened('agent.escalated'), SOON).toMatchObject([{ data: { about: 'dialog', to: 'human' } }])
  expect(await happened('agent.raised')).toMatchObject([
    { data: { seen: 'Its screen asks: "Delete everything?", and nobody has answered.' } },
  ])
  expect(await happened('dialog.answered', 'agent.nudged')).toEqual([])
  await types('n')
  expect(await agent.outcome).toMatchObject({ state: 'merged' })
})

test('what watchdog.dialogs allows is answered on its screen, with its reason on record; words elsewhere on the screen allow nothing', async () => {
  const allow = (match: string) =>
    writeFileSync(
      join(repo, 'overstory.local.yaml'),
      `watchdog: { dialogs: [known, { match: ${match}, answer: [y] }] }\n`,
    )
  allow('delete everything')
  const agent = slung([done('a.txt')], { asks: 'Delete everything?' })
  expect(await agent.outcome).toMatchObject({ state: 'merged' })
  const answers = await happened('dialog.answered')
  expect(answers).toMatchObject([
    { data: { dialog: 'Delete everything?', answer: 'y', why: 'watchdog.dialogs allows it: "delete everything"' } },
  ])
  // Its options and hints are on the screen too.
  allow('Enter to confirm')
  const other = slung([done('b.txt')], { asks: 'Delete the rest?' })
  await expect.poll(status, SOON).toContain('Its screen asks: "Delete the rest?"')
  expect(await happened('dialog.answered')).toHaveLength(1)
  await home.ov(repo, ['stop', '--all'])
  expect(await other.outcome).toMatchObject({ state: 'stopped' })
})

test('a CLI that draws nothing within agents.startTimeout fails its task; one that draws something strange does not', async () => {
  const blank = slung([done('a.txt')], { blank: true })
  expect(await blank.outcome).toMatchObject({
    state: 'failed',
    reason: expect.stringContaining('gave no sign of life within 4 s'),
  })
  slung([done('a.txt')], { strange: true })
  await expect.poll(status, { interval: 500 }).toContain('Its screen shows what ov does not understand')
  await home.ov(repo, ['stop', '--all'])
})

test('a CLI that dies on its screen fails its task with what it showed last, and leaves nothing behind', async () => {
  const agent = slung([], { dies: 3, hooks: true })
  const outcome = await agent.outcome
  expect(outcome).toMatchObject({ state: 'failed' })
  expect(outcome.reason).toContain('exit code 3')
  expect(outcome.reason).toContain('Bye.')
  await expect.poll(() => processes(), SOON).toEqual([])
})

test('when its tmux server is killed in the middle of a turn, it goes on where it was, on another screen', async () => {
  const agent = slung([`${commit('a.txt')}; sleep 60`, done('b.txt')], { hooks: true })
  const kept = () => git(home, repo, 'for-each-ref', '--format=%(subject)', 'refs/ov/keep')
  await expect.poll(kept, SOON).toContain('Add a.txt')
  await killServer(await ownServer())
  expect(await agent.outcome).toMatchObject({ state: 'merged' })
  expect((await home.ov(repo, ['inspect', 'builder-1'])).output).toContain('Its screen is gone')
  expect(agent.prompts()).toHaveLength(2)
  expect(agent.prompts()[1]).toContain('You were cut off in the middle of a turn.')
  expect(git(home, repo, 'show', 'main:a.txt')).toBe('a.txt')
  await expect.poll(() => processes(), SOON).toEqual([])
})

test('neither rc files, nor a tmux.conf, nor a poor TERM, nor sessions of the same name elsewhere have a say', async () => {
  const junk = 'echo JUNK; sleep 60\n'
  for (const file of ['.bashrc', '.profile', '.bash_profile', '.zshrc', '.zshenv', '.shrc'])
    writeFileSync(join(home.env.HOME ?? '', file), junk)
  writeFileSync(join(home.env.HOME ?? '', '.tmux.conf'), 'unbind-key -a\nset -g default-command "echo JUNK"\n')
  const user = { socket: join(home.path, 'users.sock') }
  onTestFinished(() => killServer(user))
  expect(await openSession(user, 'builder-1', ['sleep', '1000'], { cwd: repo, env: home.env })).toBeNull()
  const shell = {
    SHELL: '/bin/bash',
    ENV: join(home.env.HOME ?? '', '.shrc'),
    BASH_ENV: join(home.env.HOME ?? '', '.shrc'),
  }
  const began = performance.now()
  const agent = slung(['ov ask "And now?"', done('a.txt')], { hooks: true }, { TERM: 'dumb', ...shell })
  await expect.poll(status, SOON).toContain('asks: And now?')
  expect(performance.now() - began).toBeLessThan(30_000)
  expect(await screen()).not.toContain('JUNK')
  await mail('Go on.')
  expect(await agent.outcome).toMatchObject({ state: 'merged' })
  expect((await viewPane(user, '=builder-1:'))?.text.trim()).toBe('')
})

test('ov stop ends an interactive agent and all its processes', async () => {
  const agent = slung(['sleep 1000'], { hooks: true })
  await expect.poll(() => agent.prompts().length, SOON).toBe(1)
  expect((await home.ov(repo, ['stop', 'builder-1'])).output).toContain('builder-1')
  expect(await agent.outcome).toMatchObject({ state: 'stopped' })
  expect(processes()).toEqual([])
})

test('without tmux, or by a runtime without a screen, --interactive is refused with what to do instead', async () => {
  const env = fakeScreenClaude(home, [])
  const without = await home.ov(repo, ['sling', '--interactive', '--task', 'x'], {
    env: { PATH: `${env.PATH.split(':')[0]}:${pathOf('git', 'sh', 'env')}` },
  })
  expect(without.output).toContain('An interactive agent has its screen in tmux, which is not installed.')
  expect(without.output).toContain('Hint: Install tmux, or leave --interactive out.')
  expect(without.code).toBe(2)
  const shell = ['sling', '--interactive', '--runtime', 'shell', '--task', 'x', '--command', 'true']
  const refused = await home.ov(repo, shell)
  expect(refused.output).toContain('has no screen that ov can drive')
  expect(refused.code).toBe(2)
})

test('into agents without an end that have a screen one can type too, unless one only wants to look', async () => {
  const env = { PATH: fakeScreenClaude(home, [], { hooks: true }).PATH, ANTHROPIC_API_KEY: 'sk-fake' }
  for (const [start, attach] of [
    [
      ['coordinator', 'start'],
      ['coordinator', 'attach'],
    ],
    [
      ['monitor', 'start'],
      ['attach', 'monitor'],
    ],
  ] as const) {
    const started = await home.ov(repo, [...start, '--interactive'], { env })
    expect(started.code, started.output).toBe(0)
    const command = async (...more: string[]) =>
      JSON.parse((await home.ov(repo, [...attach, ...more, '--json'])).stdout).command
    await expect.poll(async () => command(), SOON).toContain('attach-session')
    expect(await command()).not.toContain('-r')
    expect(await command('--no-write')).toContain('-r')
  }
})
