import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import codex from '../../runtimes/codex.ts'
import { always, call, drop, hang, held, refuse, say, shell } from '../../src/certify/llm/script.ts'
import { run } from '../../src/os/process.ts'
import { CODEX } from './cli.ts'
import { commandLinesWith, context, pidsOf, times, wholeOf } from './fleet.ts'
import { certify, commit, failEach, of } from './jobs.ts'

const stage = certify(CODEX)

/** A patch in its own notation. */
const patch = (path: string, line: string) =>
  call('apply_patch', `*** Begin Patch\n*** Add File: ${path}\n+${line}\n*** End Patch`)

test('in its own sandbox it commits and speaks to ov, and writes nowhere else', async () => {
  const { fleet } = stage()
  // Neither a temporary folder nor the worktree: in such its sandbox lets the agent write.
  const outside = join(fleet.home.path, 'outside')
  mkdirSync(outside)
  fleet.llm.play('builder', of('builder-1'), [
    patch(`${outside}/patched.txt`, 'no'),
    patch('inside.txt', 'yes'),
    shell(
      `env; cat ~/.codex/auth.json $CODEX_HOME/auth.json; touch ${outside}/touched.txt; git tag mine; git branch -f main HEAD; git config user.name Mallory; echo so far`,
    ),
    shell('git add inside.txt && git commit -q -m Inside && ov done --summary "Wrote it"'),
    say('Done.'),
  ])
  const { outcome } = await (await fleet.sling('--task', 'Write a file')).exit
  expect(outcome.state).toBe('merged')
  expect(fleet.git('show', 'main:inside.txt')).toBe('yes')
  const seen = context(fleet.llm.asked('builder').at(-1))
  expect(seen).toContain('writing outside of the project')
  expect(times(seen, 'Read-only file system')).toBeGreaterThanOrEqual(3)
  expect(seen).not.toContain(CODEX.key)
  expect(readdirSync(outside)).toEqual([])
  expect(fleet.git('tag')).toBe('')
  expect(fleet.git('config', 'user.name')).toBe('Test')
})

test('a newer model, which writes programs instead of calling tools, does a job the same way', async () => {
  const { fleet } = stage()
  fleet.llm.play('builder', of('builder-1'), [
    commit('new', 'new.txt', 'Newer'),
    shell('ov done --summary "By a program"'),
    say('Done.'),
  ])
  const { outcome } = await (await fleet.sling('--model', 'gpt-6-sol', '--task', 'Write new.txt')).exit
  expect(outcome.state).toBe('merged')
  expect(fleet.llm.asked('builder')[0]).toMatchObject({
    model: 'gpt-6-sol',
    tools: expect.arrayContaining(['functions.exec']),
  })
})

test('a scout can write nothing but temporary files, and reports by its summary alone', async () => {
  const { fleet } = stage()
  fleet.llm.play('scout', of('scout-1'), [
    patch('never.txt', 'no'),
    shell('touch never.txt; git commit --allow-empty -m No; touch "$TMPDIR/scratch" && echo scratch made'),
    shell(
      'ov mail send --to human --subject "Found it" --body "README.md:1" && ov done --summary "README.md:1 names the toy"',
    ),
    say('Done.'),
  ])
  const { outcome } = await (await fleet.sling('--capability', 'scout', '--task', 'Find the name')).exit
  expect(outcome.state).toBe('done')
  const seen = context(fleet.llm.asked('scout').at(-1))
  expect(seen).toMatch(/touch: .*never\.txt.*Read-only file system/)
  expect(seen).toContain('scratch made')
  expect(fleet.git('log', '--all', '--format=%s').split('\n')).not.toContain('No')
})

test('nothing of the human’s gets in but the login, nothing in the repository is run, and nothing of theirs is changed', async () => {
  const { fleet } = stage()
  const theirs = join(fleet.home.env.HOME ?? '', '.codex')
  const marker = join(fleet.home.path, 'ran')
  const server = `[mcp_servers.evil]\ncommand = "touch"\nargs = ["${marker}"]\n`
  const hooks = { hooks: { SessionStart: [{ hooks: [{ type: 'command', command: `touch ${marker}` }] }] } }
  mkdirSync(join(fleet.home.env.HOME ?? '', '.agents', 'skills', 'mine'), { recursive: true })
  writeFileSync(
    join(fleet.home.env.HOME ?? '', '.agents', 'skills', 'mine', 'SKILL.md'),
    '---\nname: mine\ndescription: THEIR-SKILL\n---\n',
  )
  writeFileSync(join(theirs, 'config.toml'), `developer_instructions = "THEIR-INSTRUCTIONS"\n${server}`)
  writeFileSync(join(theirs, 'AGENTS.md'), 'THEIR-AGENTS\n')
  writeFileSync(join(theirs, 'hooks.json'), JSON.stringify(hooks))
  mkdirSync(join(fleet.repo, '.codex'))
  writeFileSync(join(fleet.repo, '.codex', 'config.toml'), server)
  writeFileSync(join(fleet.repo, '.codex', 'hooks.json'), JSON.stringify(hooks))
  writeFileSync(join(fleet.repo, 'AGENTS.md'), 'THE-REPOSITORY-SAYS\n')
  fleet.git('add', '--all')
  fleet.git('commit', '--quiet', '--message', 'What an agent finds')
  const before = readdirSync(theirs)
  fleet.llm.play('builder', of('builder-1'), [shell('ov done --no-changes --summary "Read it"'), say('Done.')])
  const { outcome } = await (await fleet.sling('--task', 'Look')).exit
  expect(outcome.state).toBe('done')
  const seen = wholeOf(fleet.llm.asked('builder').at(-1))
  expect(seen).toContain('THE-REPOSITORY-SAYS')
  expect(seen).not.toContain('THEIR-')
  expect(existsSync(marker)).toBe(false)
  expect(readdirSync(theirs)).toEqual(before)
})

test('on its own screen it reports by its hooks and takes mail by them, into the running turn and at its end', async () => {
  const { fleet } = stage()
  const working = held(shell('echo second'))
  const ending = held(say('All is written.'))
  fleet.llm.play('builder', of('builder-1'), [
    shell('echo first; exit 3'),
    working,
    patch('inside.txt', 'yes'),
    ending,
    shell('git add -A && git commit -q -m "Write inside" && ov done --summary "Written"'),
    say('Done.'),
  ])
  const slung = await fleet.sling('--interactive', '--task', 'Write inside.txt')
  await working.reached
  await fleet.ov('mail', 'send', '--to', 'builder-1', '--subject', 'Urgent', '--body', 'U-body', '--priority', 'urgent')
  working.release()
  await ending.reached
  await fleet.ov('mail', 'send', '--to', 'builder-1', '--subject', 'Later', '--body', 'L-body')
  ending.release()
  const { outcome } = await slung.exit
  expect(outcome).toMatchObject({ state: 'merged' })
  const seen = wholeOf(fleet.llm.asked('builder').at(-1))
  expect([times(seen, 'U-body'), times(seen, 'L-body')]).toEqual([1, 1])
  const { output } = await fleet.ov('logs', 'builder-1', '--events')
  expect([...output.matchAll(/^tool\.(\w+ (?:tool|ok)=\w+)/gm)].map(([, what]) => what)).toEqual([
    'start tool=Bash',
    // Its hook says what a command printed, not how it ended.
    'end ok=true',
    'start tool=Bash',
    'end ok=true',
    'start tool=apply_patch',
    'end ok=true',
    'start tool=Bash',
    'end ok=true',
  ])
  expect([times(output, 'mail.delivered'), times(output, 'mail.bounced')]).toEqual([3, 0])
})

test('each failure is told with its one cause', async () => {
  const { fleet } = stage()
  const failures = {
    overloaded: always(refuse(500)),
    network: always(drop()),
    refused: always(refuse(400)),
    model: always(refuse(404, { message: 'The model does not exist', details: { code: 'model_not_found' } })),
    quota: always(refuse(429, { type: 'insufficient_quota' })),
    rate_limit: always(refuse(429)),
  }
  await failEach(fleet, failures, ['--runtime', 'codex'])
})

test('without a login it says so at once, and how to log in; with nothing at the other end it is the network', async () => {
  const { fleet } = stage()
  await fleet.llm.close()
  await failEach(fleet, { network: always(drop()) }, ['--runtime', 'codex'])
  rmSync(join(fleet.home.env.HOME ?? '', '.codex', 'auth.json'))
  const { outcome } = await (await fleet.sling('--task', 'Something else')).exit
  expect(outcome.reason).toContain('Codex is not logged in')
  expect(outcome.reason).toContain('codex login')
})

test('a stop in the middle of silence leaves no process, though its shell left some behind', async () => {
  const { fleet, bin } = stage()
  fleet.llm.play('builder', of('builder-1'), [shell('sleep 4321 & setsid sleep 4321 & echo left'), hang()])
  await fleet.ov('sling', '--runtime', 'codex', '--task', 'Anything')
  await expect.poll(() => fleet.llm.asked('builder').length, POLL).toBe(2)
  expect(pidsOf(CODEX, fleet)).toHaveLength(1)
  // The npm package's launcher has no part in it. (Others may just ask it for its version.)
  expect(commandLinesWith(`${bin}/codex`).filter((line) => !line.includes('--version'))).toEqual([])
  expect((await fleet.ov('stop', 'builder-1')).code).toBe(0)
  expect(pidsOf(CODEX, fleet)).toEqual([])
  expect(commandLinesWith('sleep 4321')).toEqual([])
})

test('a one-shot question has all of stdout for its answer, and leaves no session behind', async () => {
  const { fleet, bin } = stage()
  const question = 'What is @/etc/hostname?\n/cost'
  fleet.llm.play('one-shot', () => true, [say('The answer\nin two lines'), always(refuse(400))])
  const { section } = CODEX.trial.setting({ url: fleet.llm.url, key: CODEX.key, as: 'key' })
  const { argv, env, stdin } = codex.getPromptCommand(question, { extraArgs: section?.args ?? [] })
  const ask = () =>
    run([`${bin}/codex`, ...argv.slice(1)], { cwd: fleet.repo, env: { ...fleet.env, ...env }, input: stdin })
  expect(await ask()).toMatchObject({ code: 0, stdout: 'The answer\nin two lines\n' })
  const [asked] = fleet.llm.asked('one-shot')
  expect(asked?.messages.at(-1)?.text).toBe(question)
  expect(asked?.tools).not.toContain('exec_command')
  expect(existsSync(join(fleet.home.env.HOME ?? '', '.codex', 'sessions'))).toBe(false)
  expect((await ask()).code).toBe(1)
})

const POLL = { timeout: 60_000, interval: 300 }
