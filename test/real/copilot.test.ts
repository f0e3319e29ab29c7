import { existsSync, mkdirSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import copilot from '../../runtimes/copilot.ts'
import { call, held, say, shell, write } from '../../src/certify/llm/script.ts'
import { run } from '../../src/os/process.ts'
import { cliOf } from './cli.ts'
import { commandLinesWith, context, type Fleet, openFleet, pidsOf, times, wholeOf } from './fleet.ts'
import { installed } from './install.ts'
import { commit, of } from './jobs.ts'

const COPILOT = cliOf(copilot)

let bin = ''
let fleet: Fleet

beforeAll(async () => {
  bin = await installed(COPILOT.npm)
})
beforeEach(async () => {
  fleet = await openFleet(COPILOT, bin)
})
afterEach(() => fleet.close())

test('Copilot takes urgent mail with the result of the current tool, once, and writes nowhere but in its worktree', async () => {
  const working = held(shell('echo second'))
  const outside = join(fleet.home.path, 'outside.txt')
  fleet.llm.play('builder', of('builder-1'), [
    shell('echo first; exit 3'),
    working,
    write(outside, 'no'),
    write('.git', 'no'),
    write('inside.txt', 'yes\n'),
    shell('git add -A && git commit -q -m "Write inside" && ov done --summary "Written"'),
    say('Done.'),
  ])
  const slung = await fleet.sling('--task', 'Write inside.txt')
  await working.reached
  await fleet.ov('mail', 'send', '--to', 'builder-1', '--subject', 'Urgent', '--body', 'U-body', '--priority', 'urgent')
  working.release()
  const { outcome } = await slung.exit
  expect(outcome).toMatchObject({ state: 'merged' })
  expect(existsSync(outside)).toBe(false)
  const asked = fleet.llm.asked('builder')
  expect(times(context(asked[2]), 'U-body')).toBe(1)
  const seen = context(asked.at(-1))
  expect(times(seen, 'U-body')).toBe(1)
  expect(seen).toContain('is outside your worktree')
  const { output } = await fleet.ov('logs', 'builder-1', '--events')
  expect([...output.matchAll(/^tool\.(\w+ (?:tool|ok)=\w+)/gm)].map(([, what]) => what)).toEqual([
    'start tool=bash',
    'end ok=false',
    'start tool=bash',
    'end ok=true',
    'start tool=create',
    'refused tool=Write',
    'end ok=false',
    'start tool=create',
    'refused tool=Write',
    'end ok=false',
    'start tool=create',
    'end ok=true',
    'start tool=bash',
    'end ok=true',
  ])
  expect(times(output, 'mail.delivered')).toBe(2)
})

test('a patch of several files is refused for the one that lies outside', async () => {
  await fleet.close()
  fleet = await openFleet(COPILOT, bin)
  const outside = join(fleet.home.path, 'outside.txt')
  const patch = `*** Begin Patch\n*** Add File: in.txt\n+yes\n*** Add File: ${outside}\n+no\n*** End Patch\n`
  fleet.llm.play('builder', of('builder-1'), [
    call('apply_patch', patch),
    call('apply_patch', '*** Begin Patch\n*** Add File: in.txt\n+yes\n*** End Patch\n'),
    shell('git add -A && git commit -q -m "Patch" && ov done --summary "Patched"'),
    say('Done.'),
  ])
  const { outcome } = await (await fleet.sling('--task', 'Patch it', '--model', 'gpt-5.5')).exit
  expect(outcome).toMatchObject({ state: 'merged' })
  expect(fleet.git('show', 'main:in.txt')).toBe('yes')
  expect(existsSync(outside)).toBe(false)
  expect(context(fleet.llm.asked('builder').at(-1))).toContain('is outside your worktree')
})

test('without its guard no tool writes', async () => {
  const started = held(write('one.txt', 'no\n'))
  fleet.llm.play('builder', of('builder-1'), [
    started,
    shell('ls *.txt; ov fail --reason "I cannot write"'),
    say('So it ends.'),
  ])
  const slung = await fleet.sling('--task', 'Write one.txt')
  await started.reached
  const agents = join(fleet.repo, '.overstory', 'agents')
  for (const name of readdirSync(agents)) unlinkSync(join(agents, name, 'bin', 'ov-hook'))
  started.release()
  const { outcome } = await slung.exit
  expect(outcome).toMatchObject({ state: 'failed', reason: 'I cannot write' })
  expect(context(fleet.llm.asked('builder').at(-1))).toContain("cannot access '*.txt'")
})

test('a scout has no tool that writes', async () => {
  fleet.llm.play('scout', of('scout-1'), [shell('ov done --no-changes --summary "Seen"'), say('Done.')])
  const { outcome } = await (await fleet.sling('--capability', 'scout', '--task', 'Look about')).exit
  expect(outcome.state).toBe('done')
  const tools = fleet.llm.asked('scout')[0]?.tools ?? []
  expect(tools).toContain('bash')
  expect(tools.filter((tool) => ['create', 'edit', 'apply_patch'].includes(tool))).toEqual([])
})

test('killed with a tool at work it leaves no process, and no turn is counted twice', async () => {
  const token = `3${Date.now() % 1_000_000}`
  fleet.llm.play('builder', of('builder-1'), [commit('kept', 'kept.txt', 'Keep me'), shell(`sleep ${token}`)])
  const slung = await fleet.sling('--task', 'Write kept.txt')
  await expect.poll(() => commandLinesWith(`sleep ${token}`).length, POLL).toBeGreaterThan(0)
  for (const pid of pidsOf(COPILOT, fleet)) process.kill(pid, 'SIGKILL')
  const { outcome } = await slung.exit
  expect(outcome).toMatchObject({ state: 'failed', reason: expect.stringContaining('in the middle of a turn') })
  await expect.poll(() => commandLinesWith(`sleep ${token}`), POLL).toEqual([])
  expect(fleet.git('log', '-1', '--format=%s', 'refs/heads/ov/run-1/builder-1')).toBe('Keep me')
})

test('the human’s hooks, servers, skills and instructions have no part in an agent, and its tools see no key', async () => {
  const { HOME = '' } = fleet.home.env
  const ran = join(HOME, 'ran')
  for (const { path, content } of copilot.trial.surprises({ command: `touch ${ran}`, words: 'SURPRISE' })) {
    mkdirSync(dirname(join(HOME, path)), { recursive: true })
    writeFileSync(join(HOME, path), content)
  }
  fleet.llm.play('builder', of('builder-1'), [shell('env; ov done --no-changes --summary "Looked"'), say('Done.')])
  const { outcome } = await (await fleet.sling('--task', 'Look about')).exit
  expect(outcome.state).toBe('done')
  const seen = wholeOf(fleet.llm.asked('builder').at(-1))
  expect(seen).not.toContain('SURPRISE')
  expect(seen).not.toContain(COPILOT.key)
  expect(existsSync(ran)).toBe(false)
  expect(readdirSync(join(HOME, '.copilot')).sort()).toEqual([
    'copilot-instructions.md',
    'hooks',
    'mcp-config.json',
    'skills',
  ])
})

test('a one-shot question has no tools, leaves nothing behind in the home folder, and its answer is all it prints', async () => {
  const question = "--help 'quoted' $(id)\n/second line"
  const oneShot = copilot.getPromptCommand(question, { model: 'other-model' })
  const folder = join(fleet.home.path, 'empty')
  mkdirSync(folder)
  const answered = await run([join(bin, 'copilot'), ...oneShot.argv.slice(1)], {
    cwd: folder,
    env: { ...fleet.env, ...oneShot.env },
    input: oneShot.stdin,
  })
  expect(answered.code).toBe(0)
  expect(answered.stdout.trim()).toBe('Scripted side answer')
  const request = fleet.llm.requests.find((one) => one.ask !== null)
  expect(request?.ask).toMatchObject({ tools: [], model: 'other-model' })
  expect(request?.ask?.messages.at(-1)?.text).toContain(question)
  expect(existsSync(join(fleet.home.env.HOME ?? '', '.copilot'))).toBe(false)
})

const POLL = { timeout: 60_000, interval: 200 }
