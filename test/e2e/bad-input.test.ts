import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fakeClaude } from '../rig/fake-claude.ts'
import { git, type Home, makeHome, makeRepo, readyRepo } from '../rig/sandbox-home.ts'

let home: Home
beforeAll(() => {
  home = makeHome()
})
afterAll(() => home.dispose())

/** A command that slings a shell agent. */
const sling = (task: string, command: string, ...more: string[]) => [
  'sling',
  '--runtime',
  'shell',
  '--task',
  task,
  '--command',
  command,
  ...more,
]

/** Expects a command to be refused in these words, hint included, with this exit code, and to have printed no data. */
async function expectRefused(repo: string, args: readonly string[], code: number, message: string, hint: string) {
  const told = await home.ov(repo, args)
  expect(told.output).toBe(`✖ ${message}\nHint: ${hint}\n`)
  expect(told.stdout).toBe('')
  expect(told.code).toBe(code)
}

/** What a person types who does not know yet that it can't work here. */
const COMMANDS = [
  sling('Say hello', 'echo hello'),
  ['status'],
  ['mail', 'send', '--to', 'human', '--subject', 'Hello'],
  ['merge'],
  ['stop', '--all'],
]

describe('a place where ov cannot work', () => {
  test('outside git every command says so, what to type, and makes nothing', async () => {
    const folder = join(home.path, 'nowhere')
    mkdirSync(folder)
    const hint = 'Go to your repository, or make one: git init && ov init'
    for (const args of [...COMMANDS, ['init'], ['config', 'validate']])
      await expectRefused(folder, args, 2, `${folder} is not inside a git repository.`, hint)
    expect(readdirSync(folder)).toEqual([])
  })

  test('without ov init every command names it and makes nothing', async () => {
    const repo = makeRepo(home, 'fresh')
    const before = readdirSync(repo)
    for (const args of COMMANDS) await expectRefused(repo, args, 2, `${repo} is not set up for ov yet.`, 'ov init')
    expect(readdirSync(repo)).toEqual(before)
  })
})

describe('what a task and its agent may be called', () => {
  let repo: string
  beforeAll(async () => {
    repo = await readyRepo(home, '', 'names')
    git(home, repo, 'branch', 'ov/run-1/builder-1')
    writeFileSync(join(repo, 'binary.dat'), Buffer.from([0x50, 0x4b, 0, 3]))
    writeFileSync(join(repo, 'latin1.txt'), Buffer.from([0x66, 0xfc, 0x72]))
  })

  const NAMING = 'Lower-case letters, digits and dashes, a letter first, at most 40: --name login-form'
  test.each([
    ['../up', '"../up" is'],
    ['two words', '"two words" is'],
    ['--force', '"--force" is'],
    ['a'.repeat(300), `"${'a'.repeat(59)}…" is`],
    ['x\u001b[31m;$(id)', '"x;$(id)" is'],
  ])('the name $0 is refused, and the rule is said', (name, told) =>
    expectRefused(repo, sling('x', 'true', `--name=${name}`), 2, `${told} not a name for an agent.`, NAMING),
  )

  const TASK =
    'ov sling --task "Implement user authentication", or --task-file FILE, or --task - to read standard input'
  const TEXT = 'Give a text file in UTF-8; put anything else into the repository and name it in the task.'
  test.each([
    [['--task', ' \n'], 'The task is empty.', TASK],
    [['--task-file', 'nope.md'], "nope.md can't be read: ENOENT.", 'Give a readable text file: --task-file issue.md'],
    [['--task-file', '.'], ". can't be read: EISDIR.", 'Give a readable text file: --task-file issue.md'],
    [['--task-file', 'binary.dat'], 'binary.dat is not text: it holds NUL bytes.', TEXT],
    [['--task-file', 'latin1.txt'], 'latin1.txt is not text: it holds bytes that are not UTF-8.', TEXT],
    [
      ['--task-file', '/dev/zero'],
      '/dev/zero is longer than 16 MiB.',
      'Put the material into a file of the repository and name it in the task.',
    ],
  ])('a task given as %j is refused, even if there is a command', (task, message, hint) =>
    expectRefused(repo, ['sling', '--runtime', 'shell', '--command', 'true', ...task], 2, message, hint),
  )

  test.each([
    [
      ['-c', 'bilder'],
      'Expected --capability=bilder to be one of: coordinator, lead, scout, builder, reviewer, merger, monitor',
      'Did you mean --capability builder?',
    ],
    [['--runtime', 'cluade'], 'There is no runtime "cluade".', 'Did you mean claude? All: claude, shell'],
    [
      ['--runtime', 'claude'],
      'Claude Code is not installed: no claude on PATH.',
      "npm install -g @anthropic-ai/claude-code, or choose another: --runtime shell --command '…'",
    ],
    [
      ['--runtime', 'shell', '--command', 'true', '--base', 'no-such'],
      'There is no commit "no-such" to start from.',
      'Give a branch, tag or commit: --base main',
    ],
  ])('%j is refused, with what was meant or what there is', (flags, message, hint) =>
    expectRefused(repo, ['sling', '--task', 'x', ...flags], 2, message, hint),
  )

  test('a branch of the human’s keeps its name: it is refused as a name, and else passed over', async () => {
    const mine = git(home, repo, 'rev-parse', 'ov/run-1/builder-1')
    await expectRefused(
      repo,
      sling('x', 'true', '--name', 'builder-1'),
      2,
      'There is already the branch "ov/run-1/builder-1".',
      'Take another name, or none: the next free one is builder-2.',
    )
    const slung = await home.ov(repo, sling('Add a', 'echo a > a.txt', '--wait', '--json'))
    expect(JSON.parse(slung.stdout)).toMatchObject({ state: 'merged', branch: 'ov/run-1/builder-2' })
    expect(git(home, repo, 'rev-parse', 'ov/run-1/builder-1')).toBe(mine)
  })

  test('a branch that lies across all agents’ branches is named, with what to do about it', async () => {
    const other = await readyRepo(home, '', 'across')
    git(home, other, 'branch', 'ov')
    await expectRefused(
      other,
      sling('x', 'true'),
      2,
      `The branch "ov" is where agents' branches should lie.`,
      'Give it another name, then try again: git branch -m ov ov-mine',
    )
  })

  test('nothing of what was refused left a task behind', async () => {
    const status = await home.ov(repo, ['status', '--all', '--json'])
    const { agents } = JSON.parse(status.stdout) as { agents: { name: string }[] }
    expect(agents.map((agent) => agent.name)).toEqual(['builder-2'])
  })
})

describe('a task’s text', () => {
  test('reaches the agent as it was written, executes nothing, and the terminal shows it harmless', async () => {
    const repo = await readyRepo(home, '', 'text')
    const trap = join(home.path, 'pwned')
    const nasty = `  He said "hi" and 'bye' \`touch ${trap}\` $(touch ${trap}) ; touch ${trap} &&\n\u001b[31mred\u001b[0m \u001b]0;owned\u0007 \u009b2J \u202eevil 🙂👩‍👩‍👧 ü\r\n\t--flag\n`
    const text = `${nasty}${'x'.repeat(1_000_000)}\nthe end 🙂\n`
    const file = join(home.path, 'task.txt')
    writeFileSync(file, text)

    const heard = join(home.path, 'heard')
    const env = fakeClaude(home, `head -n 2 > '${heard}'; echo '{"type":"keep_alive"}'; exit 1`)
    const thinking = await home.ov(repo, ['sling', '--runtime', 'claude', '--task-file', file, '--wait'], { env })
    const frame = JSON.parse(readFileSync(heard, 'utf8').split('\n')[1] ?? '') as { message: { content: string } }
    expect(frame.message.content.startsWith(`# Your task\n\n${text}\n\n[`)).toBe(true)

    const command = 'cp "$OV_TASK_FILE" task.txt; printf %s "$OV_TASK" > beginning.txt; cat task.txt'
    const [, , , , , ...more] = sling('', command, '--wait')
    const shell = await home.ov(repo, ['sling', '--runtime', 'shell', '--task-file', file, ...more])
    expect(readFileSync(join(repo, 'task.txt'), 'utf8')).toBe(text)
    expect(text.startsWith(readFileSync(join(repo, 'beginning.txt'), 'utf8'))).toBe(true)

    const screens = [['status'], ['inspect', 'builder-2'], ['logs', 'builder-2'], ['mail', 'list']]
    const shown = await Promise.all(screens.map((args) => home.ov(repo, args)))
    for (const { output } of [thinking, shell, ...shown]) {
      expect(output).toContain('He said "hi"')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(output).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
    }
    expect(existsSync(trap)).toBe(false)
  })
})
