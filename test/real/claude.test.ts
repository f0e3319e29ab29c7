import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import claude from '../../runtimes/claude.ts'
import { type Ask, call, say, shell } from '../../src/certify/llm/script.ts'
import { findBelow } from '../../src/os/files.ts'
import { run } from '../../src/os/process.ts'
import { CLAUDE } from './cli.ts'
import { context, wholeOf } from './fleet.ts'
import { certify, of } from './jobs.ts'

const stage = certify(CLAUDE)

test('a task text arrives as it was written: no slash command, no shell word, no @file is taken for more than text', async () => {
  const task = '/compact "quoted" $(touch pwned) `id` @/etc/hostname 🚀\n--help\n\ttab'
  stage().fleet.llm.play('builder', of('builder-1'), [shell('ov done --no-changes --summary "Read it"'), say('Done.')])
  const { outcome } = await (await stage().fleet.sling('--task', task)).exit
  expect(outcome.state).toBe('done')
  const first = stage().fleet.llm.asked('builder')[0]
  expect(context(first)).toContain(task)
  expect(first?.messages.flatMap((message) => message.toolCalls)).toEqual([])
  expect(context(first)).not.toContain('Result of calling the Read tool')
})

test('a write outside the worktree is refused with the reason; inside it goes through', async () => {
  const outside = `${stage().fleet.home.path}/outside.txt`
  stage().fleet.llm.play('builder', of('builder-1'), [
    call('Write', { file_path: outside, content: 'no' }),
    call('Write', (ask) => ({ file_path: `${worktreeIn(ask)}/inside.txt`, content: 'yes\n' })),
    shell('git add inside.txt && git commit -q -m Inside && ov done --summary "Wrote it"'),
    say('Done.'),
  ])
  const { outcome } = await (await stage().fleet.sling('--task', 'Write a file')).exit
  expect(outcome.state).toBe('merged')
  expect(existsSync(outside)).toBe(false)
  expect(stage().fleet.git('show', 'main:inside.txt')).toBe('yes')
  expect(context(stage().fleet.llm.asked('builder').at(-1))).toContain('is outside your worktree')
})

test('a scout has no tool that writes, and reports by its summary alone', async () => {
  stage().fleet.llm.play('scout', of('scout-1'), [
    call('Write', { file_path: '/tmp/never.txt', content: 'no' }),
    shell('ov done --summary "README.md:1 names the toy"'),
    say('Done.'),
  ])
  const { outcome } = await (await stage().fleet.sling('--capability', 'scout', '--task', 'Find the name')).exit
  expect(outcome.state).toBe('done')
  const [first, second] = stage().fleet.llm.asked('scout')
  expect(first?.tools).toContain('Read')
  expect(first?.tools).not.toContain('Write')
  expect(first?.tools).not.toContain('Edit')
  expect(second?.messages.at(-1)?.toolResults[0]).toMatchObject({ isError: true })
})

test('a one-shot question has one answer, tells what it used, has no tools, and leaves no session behind', async () => {
  const question = 'What is @/etc/hostname?\n/cost'
  const oneShot = claude.getPromptCommand(question, { model: 'claude-haiku-4-5' })
  const answered = await run([`${stage().bin}/claude`, ...oneShot.argv.slice(1)], {
    cwd: stage().fleet.repo,
    env: { ...stage().fleet.env, ...oneShot.env },
    input: oneShot.stdin,
  })
  expect(answered.code).toBe(0)
  const events = claude.read(answered.stdout.trim())
  expect(events.at(-1)).toMatchObject({ type: 'turn_end', text: 'Scripted side answer' })
  expect(events.find((event) => event.type === 'usage')?.usage).toMatchObject({
    input: expect.any(Number),
    costUsd: expect.any(Number),
  })
  const request = stage().fleet.llm.requests.find((one) => one.ask !== null)
  expect(request?.ask).toMatchObject({ tools: [], model: 'claude-haiku-4-5' })
  expect(request?.ask?.messages.at(-1)?.text).toContain(question)
  expect(findBelow(`${stage().fleet.home.env.HOME}/.claude/projects`, '.jsonl')).toBeNull()
})

function worktreeIn(ask: Ask): string {
  return /Primary working directory: (\S+)/.exec(wholeOf(ask))?.[1] ?? ''
}
