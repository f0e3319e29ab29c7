import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { countLive, openAgents } from '../../src/agents/store.ts'
import { runnersOf } from '../../src/os/tree.ts'
import type { Outcome } from '../../src/tasks/outcome.ts'
import { fakeClaude } from '../rig/fake-claude.ts'
import { mountSpace } from '../rig/mount-space.ts'
import { inProject } from '../rig/project.ts'
import { configure, git, type Home, makeHome, makeRepo, readyRepo } from '../rig/sandbox-home.ts'

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
      '--capability takes one of: coordinator, lead, scout, builder, reviewer, merger, monitor; not "bilder".',
      'Did you mean --capability builder?',
    ],
    [['--runtime', 'cluade'], 'There is no runtime "cluade".', 'Did you mean claude? All of them: ov runtime list'],
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

  test.each([
    [['coordinator', 'start']],
    [['coordinator', 'ask', 'What now?', '--timeout', '1']],
    [['sling', '--task', 'x', '--interactive']],
  ])('%j without its CLI, and with no other that could do it, says where to look', (typed) =>
    expectRefused(
      repo,
      typed,
      2,
      'Claude Code is not installed: no claude on PATH.',
      'npm install -g @anthropic-ai/claude-code, or choose another: ov runtime list',
    ),
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

describe('a repository in a state of its own', () => {
  test('without a commit nothing can be slung, and what to type is said', async () => {
    const repo = join(home.path, 'empty')
    mkdirSync(repo)
    git(home, repo, 'init', '--quiet')
    expect(await home.ov(repo, ['init'])).toMatchObject({ code: 0 })
    const message = 'The repository has no commit yet, so there is nothing to build on.'
    const hint = 'git add -A && git commit -m "First commit", then try again'
    for (const args of [sling('x', 'true'), ['merge']]) await expectRefused(repo, args, 2, message, hint)
    expect((await home.ov(repo, ['status'])).stdout).toContain(`! ${message}`)
    git(home, repo, 'add', '--all')
    git(home, repo, 'commit', '--quiet', '--message', 'First commit')
    expect(await home.ov(repo, sling('Add a', 'echo a > a.txt', '--wait'))).toMatchObject({ code: 0 })
  })

  test('a canonical branch that is not there is named, with what was meant or how to make it', async () => {
    const repo = makeRepo(home, 'no-branch')
    await home.ov(repo, ['init'])
    const message = (name: string) => `The canonical branch "${name}" does not exist.`
    writeFileSync(join(repo, 'overstory.yaml'), 'project: { canonicalBranch: mian }\n')
    const meant = 'Did you mean main? Set project.canonicalBranch in overstory.yaml.'
    await expectRefused(repo, sling('x', 'true'), 2, message('mian'), meant)
    writeFileSync(join(repo, 'overstory.yaml'), 'project: { canonicalBranch: production }\n')
    const make =
      'Make it (git branch production), or set project.canonicalBranch in overstory.yaml to one that is there.'
    for (const args of [sling('x', 'true'), ['merge']]) await expectRefused(repo, args, 2, message('production'), make)
    expect(await home.ov(repo, ['status'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(message('production')),
    })
    expect((await home.ov(repo, ['init'])).stdout).toContain('git branch production')
  })

  test('what is changed, staged or new in the human’s checkout stays as it is; what was merged lands later', async () => {
    const repo = await readyRepo(home, '', 'dirty')
    writeFileSync(join(repo, 'README.md'), '# Mine\n')
    writeFileSync(join(repo, 'staged.txt'), 'staged\n')
    writeFileSync(join(repo, 'new.txt'), 'new\n')
    git(home, repo, 'add', 'staged.txt')
    const before = git(home, repo, 'status', '--porcelain=v2', '--branch')
    expect(await home.ov(repo, sling('Add a', 'echo a > a.txt', '--wait'))).toMatchObject({ code: 0 })
    expect(git(home, repo, 'status', '--porcelain=v2', '--branch')).toBe(before)
    expect(readFileSync(join(repo, 'README.md'), 'utf8')).toBe('# Mine\n')
    expect((await home.ov(repo, ['status'])).stdout).toContain(
      'main is 2 commits behind what was merged: 2 tracked files',
    )
    git(home, repo, 'commit', '--quiet', '--all', '--message', 'Mine')
    expect(await home.ov(repo, ['land'])).toMatchObject({ code: 0 })
    expect(git(home, repo, 'ls-files').split('\n')).toEqual(expect.arrayContaining(['a.txt', 'staged.txt']))
    expect(git(home, repo, 'status', '--porcelain')).toBe('?? new.txt')
  })

  test('on a detached HEAD the branch moves and the checkout stays; where another worktree has it, it lands there', async () => {
    const repo = await readyRepo(home, '', 'elsewhere')
    git(home, repo, 'checkout', '--quiet', '--detach')
    const head = git(home, repo, 'rev-parse', 'HEAD')
    expect(await home.ov(repo, sling('Add a', 'echo a > a.txt', '--wait'))).toMatchObject({ code: 0 })
    expect(git(home, repo, 'show', 'main:a.txt')).toBe('a')
    expect(git(home, repo, 'rev-parse', '--abbrev-ref', 'HEAD')).toBe('HEAD')
    expect([git(home, repo, 'rev-parse', 'HEAD'), git(home, repo, 'status', '--porcelain')]).toEqual([head, ''])

    const other = join(home.path, 'elsewhere-main')
    git(home, repo, 'worktree', 'add', '--quiet', other, 'main')
    expect(await home.ov(repo, sling('Add b', 'echo b > b.txt', '--wait'))).toMatchObject({ code: 0 })
    expect(readFileSync(join(other, 'b.txt'), 'utf8')).toBe('b\n')
    expect([git(home, repo, 'rev-parse', 'HEAD'), git(home, repo, 'status', '--porcelain')]).toEqual([head, ''])
  })
})

describe('several at once', () => {
  test('of three ov init at once each ends well, and together they make one project', async () => {
    const repo = makeRepo(home, 'inits')
    const ended = await Promise.all([1, 2, 3].map(() => home.ov(repo, ['init', '--json'])))
    expect(
      ended.map(({ code }) => code),
      ended.map(({ output }) => output).join(''),
    ).toEqual([0, 0, 0])
    expect(await home.ov(repo, sling('Add a', 'echo a > a.txt', '--wait'))).toMatchObject({ code: 0 })
  })

  test('the same task slung by three at once is taken once; the others are told with whom it is', async () => {
    const repo = await readyRepo(home, '', 'twins')
    const go = join(home.path, 'go twins')
    const command = `while [ ! -e '${go}' ]; do sleep 0.05; done`
    const ended = await Promise.all([1, 2, 3].map(() => home.ov(repo, sling('The same', command))))
    expect(ended.map(({ code }) => code).sort()).toEqual([0, 4, 4])
    const refused = ended.filter(({ code }) => code === 4).map(({ output }) => output)
    for (const output of refused) {
      expect(output).toMatch(/^✖ The same task is already (queued|running) with builder-1\.\n/)
      expect(output).toContain('Hint: To have it done a second time all the same: --again\n')
    }
    writeFileSync(go, '')
  })

  test('eight slings at once with two places: never more than two live, and all end merged', async () => {
    const repo = await readyRepo(home, 'agents: { maxConcurrent: 2 }\n', 'places')
    const log = join(home.path, 'places.log')
    const work = (number: number) =>
      sling(`Task ${number}`, `echo in >> '${log}'; sleep 0.2; echo ${number} > ${number}.txt; echo out >> '${log}'`)
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8]
    const slung = await Promise.all(numbers.map((number) => home.ov(repo, work(number))))
    expect(slung.filter(({ code }) => code !== 0)).toEqual([])
    await inProject(home, repo, async (project) => {
      let most = 0
      const open = async () => {
        most = Math.max(most, await countLive(project.db))
        return (await openAgents(project.db)).length
      }
      await expect.poll(open, { interval: 20 }).toBe(0)
      expect(most).toBe(2)
      const tasks = await project.db.selectFrom('tasks').select('state').execute()
      expect(tasks.map(({ state }) => state)).toEqual(numbers.map(() => 'merged'))
    })
    let inside = 0
    const crowd = readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (inside += line === 'in' ? 1 : -1))
    expect(Math.max(...crowd)).toBeLessThanOrEqual(2)
    expect(git(home, repo, 'ls-tree', '--name-only', 'main').split('\n')).toEqual(
      expect.arrayContaining(numbers.map((number) => `${number}.txt`)),
    )
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
    expect(frame.message.content.startsWith(`Your task:\n\n${text}\n\n[`)).toBe(true)

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

describe('a configuration that is wrong', () => {
  let repo: string
  beforeAll(async () => {
    repo = await readyRepo(home, '', 'config')
  })
  const HINT = 'Mend it, then: ov config validate. All keys: ov config example'

  test.each([
    ['a tab', 'project:\n\tname: x\n', 'overstory.yaml:2:1: a tab is used to indent; YAML takes spaces only'],
    [
      'an unknown key',
      'agents: { maxConcurent: 3 }\n',
      'overstory.yaml:1:11: unknown key "maxConcurent" in agents. Did you mean "maxConcurrent"?',
    ],
    [
      'a wrong type',
      'merge:\n  auto: perhaps\n',
      'overstory.yaml:2:9: merge.auto must be true or false, not "perhaps"',
    ],
  ])('%s is told with its place by every command, and nothing is done', async (_, text, message) => {
    writeFileSync(join(repo, 'overstory.yaml'), text)
    for (const args of [sling('x', 'true'), ['mail', 'list'], ['merge'], ['init'], ['config', 'validate']])
      await expectRefused(repo, args, 2, message, HINT)
  })

  test('what is needed most when something is wrong works all the same: status tells, stop stops, nobody is started', async () => {
    const other = await readyRepo(home, 'agents: { maxConcurrent: 1 }\n', 'running')
    await home.ov(other, sling('Hang', 'sleep 1000', '--name', 'hanging'))
    await home.ov(other, sling('Wait', 'true', '--name', 'queued'))
    writeFileSync(join(other, 'overstory.yaml'), 'agents:\n  maxConcurrent: many\n')
    const note = 'Note: overstory.yaml:2:18: agents.maxConcurrent must be a whole number, not "many"\n'
    const status = await home.ov(other, ['status'])
    expect(status.stdout).toContain('hanging')
    expect(status.output).toContain(note)
    expect(status.code).toBe(0)
    const stopped = await home.ov(other, ['stop', 'hanging'])
    expect(stopped.stdout).toContain('hanging is stopped')
    expect(stopped.output).toContain(note)
    expect(stopped.code).toBe(0)
    const { agents } = JSON.parse((await home.ov(other, ['status', '--json'])).stdout) as {
      agents: { name: string; state: string }[]
    }
    expect(Object.fromEntries(agents.map(({ name, state }) => [name, state]))).toEqual({
      hanging: 'stopped',
      queued: 'queued',
    })
  })

  test('an agent that is started while it is wrong fails with what is wrong', async () => {
    const other = await readyRepo(home, 'agents: { maxConcurrent: 1 }\n', 'spoilt')
    const go = join(home.path, 'go spoil')
    const wait = `while [ ! -e '${go}' ]; do sleep 0.05; done`
    await home.ov(other, sling('Spoil it', `${wait}; echo 'agents: x' > '${join(other, 'overstory.yaml')}'`))
    await home.ov(other, sling('Be next', 'true', '--name', 'next'))
    writeFileSync(go, '')
    const next = async () => {
      const { agents } = JSON.parse((await home.ov(other, ['status', '--json'])).stdout) as {
        agents: { name: string; state: string; reason: string | null }[]
      }
      return agents.find(({ name }) => name === 'next')
    }
    await expect.poll(async () => (await next())?.state).toBe('failed')
    expect((await next())?.reason).toBe(
      `overstory.yaml:1:9: agents must be a mapping of keys to values, not "x"\n${HINT}`,
    )
  })
})

describe('a database that cannot be used', () => {
  let repo: string
  let path: string
  let sound: Buffer
  beforeAll(async () => {
    repo = await readyRepo(home, '', 'database')
    path = join(repo, '.overstory', 'state.db')
    await home.ov(repo, sling('Add a', 'echo a > a.txt', '--wait'))
    await inProject(home, repo, async (project) => {
      // The last that has it open writes its log into the file.
      const agents = await project.db.selectFrom('agents').select('id').execute()
      await vi.waitUntil(() => agents.every(({ id }) => runnersOf(id).length === 0), { timeout: 60_000 })
    })
    const database = new Database(path)
    database.pragma('wal_checkpoint(TRUNCATE)')
    database.close()
    sound = readFileSync(path)
  })
  afterEach(() => {
    for (const name of [`${path}-wal`, `${path}-shm`]) rmSync(name, { force: true })
    writeFileSync(path, sound)
  })
  const EVERY = [['status'], sling('x', 'true'), ['stop', '--all'], ['init']]

  test('a newer one is refused by every command, unmodified', async () => {
    const database = new Database(path)
    database.pragma('user_version = 999')
    database.close()
    const before = readFileSync(path)
    for (const args of EVERY) {
      const told = await home.ov(repo, args)
      expect(told.output).toContain(`${path} was written by a newer ov (schema 999, `)
      expect(told.output).toContain('Hint: Upgrade ov: npm install -g oversling@latest. Nothing was changed.')
      expect(told.code).toBe(6)
    }
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test.each([
    ['is no database at all', () => writeFileSync(path, 'What is this?')],
    [
      'is damaged inside',
      () => writeFileSync(path, Buffer.concat([sound.subarray(0, 4096), Buffer.alloc(sound.length - 4096, 7)])),
    ],
  ])('one that %s is refused with what to type, and that mends it; commits are all there', async (_, damage) => {
    damage()
    for (const args of EVERY) {
      const told = await home.ov(repo, args)
      expect(told.output).toContain(`${path} is damaged: `)
      expect(told.output).toContain('Hint: Your commits are safe in git. Set it aside and start anew: ov doctor --fix')
      expect(told.code).toBe(6)
    }
    expect((await home.ov(repo, ['doctor', '--fix'])).output).toContain(
      'The damaged database is kept as state.db.corrupt-',
    )
    const again = await home.ov(repo, sling('Add b', 'echo b >> b.txt', '--wait', '--json', '--again'))
    expect(JSON.parse(again.stdout)).toMatchObject({ state: 'merged' })
    expect(git(home, repo, 'show', 'main:a.txt')).toBe('a')
  })

  test('one that another process holds for some seconds is waited for, and nothing is lost', async () => {
    const other = new Database(path)
    other.exec('BEGIN IMMEDIATE')
    let released = false
    const sent = home.ov(repo, ['mail', 'send', '--to', 'human', '--subject', 'Patience'])
    void sent.then(() => expect(released).toBe(true))
    setTimeout(() => {
      released = true
      other.exec('COMMIT')
    }, 3_000)
    expect(await sent).toMatchObject({ code: 0 })
    expect(released).toBe(true)
    other.close()
    expect((await home.ov(repo, ['mail', 'list'])).stdout).toContain('Patience')
  })
})

describe('a disk that takes nothing', () => {
  test('a read-only .overstory is named, and works again when it is writable', async () => {
    const repo = await readyRepo(home, '', 'read-only')
    const state = join(repo, '.overstory')
    const space = await mountSpace(home)
    expect((await space.sh(`mount --bind '${state}' '${state}' && mount -o remount,ro,bind '${state}'`)).output).toBe(
      '',
    )
    for (const args of [
      sling('x', 'true'),
      ['status'],
      ['mail', 'send', '--to', 'human', '--subject', 'x'],
      ['init'],
    ]) {
      const told = await space.ov(repo, args)
      expect(told.output).toBe(
        `✖ ${state} can't be written to, so nothing can be recorded.\nHint: Make it writable for you (ls -ld '${state}'), then run: ov doctor\n`,
      )
      expect(told.code).toBe(1)
    }
    const doctor = await space.ov(repo, ['doctor', '--json'])
    expect(JSON.parse(doctor.stdout)).toMatchObject({ ready: false })
    expect(await home.ov(repo, ['status'])).toMatchObject({ code: 0 })
  })

  test('a worktree that does not fit on the disk is no worktree: nobody works in it, and the task fails by that', async () => {
    const repo = makeRepo(home, 'large')
    configure(home, repo)
    for (let file = 0; file < 20; file++) writeFileSync(join(repo, `large-${file}`), 'x'.repeat(100_000))
    git(home, repo, 'add', '--all')
    git(home, repo, 'commit', '--quiet', '--message', 'Large')
    const worktrees = join(repo, '.overstory', 'worktrees')
    mkdirSync(worktrees, { recursive: true })
    const space = await mountSpace(home)
    expect((await space.sh(`mount -t tmpfs -o size=1m tmpfs '${worktrees}'`)).output).toBe('')
    expect(await space.ov(repo, ['init'])).toMatchObject({ code: 0 })
    const slung = await space.ov(repo, sling('Add a', 'echo a > a.txt', '--wait', '--json'))
    const { state, reason } = JSON.parse(slung.stdout) as Outcome
    expect(state).toBe('failed')
    expect(reason).toContain('git could not write all files. Is the disk full?')
    expect(git(home, repo, 'log', '-1', '--format=%s', 'main')).toBe('Large')
  })

  test('a disk that runs full is told; with space again nothing is lost and nothing needs repair', async () => {
    const repo = join(home.path, 'full')
    mkdirSync(repo)
    const space = await mountSpace(home)
    expect((await space.sh(`mount -t tmpfs -o size=8m tmpfs '${repo}'`)).output).toBe('')
    const sh = (script: string) => space.sh(`cd '${repo}' && ${script}`)
    const fill = `dd if=/dev/zero of=filler bs=64k; dd if=/dev/zero of=filler2 bs=1k; true`
    await sh("git init -q && echo '# Toy' > README.md && git add -A && git commit -qm First")
    expect(await space.ov(repo, ['init'])).toMatchObject({ code: 0 })
    expect(await space.ov(repo, ['mail', 'send', '--to', 'human', '--subject', 'Before'])).toMatchObject({ code: 0 })

    // Full before: what can't be recorded is refused, in words; what was acknowledged is there afterwards.
    await sh(fill)
    const acknowledged: string[] = []
    let refused = ''
    for (let number = 0; number < 30 && refused === ''; number++) {
      const subject = `Number ${number} ${'x'.repeat(200)}`
      const sent = await space.ov(repo, [
        'mail',
        'send',
        '--to',
        'human',
        '--subject',
        subject,
        '--body',
        'y'.repeat(50_000),
      ])
      if (sent.code === 0) acknowledged.push(subject)
      else refused = sent.output
    }
    expect(refused).toBe(
      `✖ The disk is full: nothing could be written to ${repo}/.overstory/state.db.\nHint: Free some space, then run the same command again. Nothing acknowledged was lost.\n`,
    )
    expect(await space.ov(repo, sling('Add a', 'echo a > a.txt', '--wait'))).toMatchObject({ code: 1 })
    await sh('rm filler filler2')
    const list = JSON.parse((await space.ov(repo, ['mail', 'list', '--json'])).stdout) as {
      mail: { subject: string }[]
    }
    const there = list.mail.map(({ subject }) => subject)
    expect(there).toEqual(expect.arrayContaining(['Before', ...acknowledged]))
    expect(there).not.toContain(`Number ${acknowledged.length} ${'x'.repeat(200)}`)
    const merged = await space.ov(repo, sling('Add a', 'echo a > a.txt', '--wait', '--json', '--again'))
    expect(JSON.parse(merged.stdout)).toMatchObject({ state: 'merged' })

    // Full in the middle, by the agent itself: what it had committed is kept.
    const greedy = `echo b > b.txt; git add -A; git commit -qm 'Keep me'; (${fill}) 2>/dev/null; echo c > c.txt`
    await space.ov(repo, sling('Fill it', greedy, '--name', 'greedy'))
    const free = async () => Number((await sh('df --output=avail . | tail -1')).stdout)
    await expect.poll(free, { interval: 200 }).toBeLessThan(300)
    // It fills no more: what is freed now stays free.
    const filled = async () => (await sh('test -e .overstory/worktrees/greedy/c.txt')).code
    await expect.poll(filled, { interval: 200 }).toBe(0)
    await sh('rm -f .overstory/worktrees/greedy/filler*')
    const next = await space.ov(repo, sling('Be next', 'echo d > d.txt', '--wait', '--json'))
    expect(JSON.parse(next.stdout)).toMatchObject({ state: 'merged' })
    const status = async () => (await space.ov(repo, ['status', '--all'])).stdout
    await expect.poll(status, { interval: 500 }).toMatch(/greedy +(failed|merged) /)
    expect((await sh('git log --all --format=%s')).stdout).toContain('Keep me')
    expect((await sh('git fsck --no-dangling')).code).toBe(0)
    expect(await space.ov(repo, ['doctor'])).toMatchObject({ output: expect.not.stringContaining('db.') })
  })
})
