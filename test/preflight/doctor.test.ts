import { spawn } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MIGRATIONS } from '../../src/db/migrations.ts'
import { write } from '../../src/db/open.ts'
import { recordEvent } from '../../src/events/store.ts'
import { newId } from '../../src/ids.ts'
import { insertMail } from '../../src/mail/store.ts'
import { argumentsOf, ownIdentity } from '../../src/os/process.ts'
import { processesIn } from '../../src/os/tree.ts'
import { type Diagnosis, diagnose, diagnoseAndFix } from '../../src/preflight/doctor.ts'
import { initProject } from '../../src/preflight/init.ts'
import { canonicalBranch } from '../../src/project.ts'
import { inHome, inProject } from '../rig/project.ts'
import { configure, git, type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'

let home: Home
let repo: string
beforeEach(async () => {
  home = makeHome()
  program('claude', 'echo "2.1.328 (Claude Code)"')
  writeFileSync(join(home.path, 'home', '.claude.json'), '{}')
  repo = makeRepo(home)
  configure(home, repo)
  await there(() => initProject(repo, { rewrite: null }))
})
afterEach(() => home.dispose())

const DAY_S = 86_400

/** Puts a program before all others on PATH. */
function program(name: string, script: string): void {
  mkdirSync(join(home.path, 'bin'), { recursive: true })
  writeFileSync(join(home.path, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
}

/** Does something with the environment of the home and its own programs. */
function there<T>(work: () => Promise<T>, more: Record<string, string> = {}): Promise<T> {
  return inHome(home, work, {
    PATH: `${join(home.path, 'bin')}:${home.env.PATH}`,
    ANTHROPIC_API_KEY: 'not a real one',
    ...more,
  })
}

const look = (more?: Record<string, string>, cwd = repo) => there(() => diagnose(cwd), more)
const mend = () => there(() => diagnoseAndFix(repo))
const codes = (diagnosis: Diagnosis) => diagnosis.issues.map((issue) => issue.code)
const found = (diagnosis: Diagnosis, code: string) => diagnosis.issues.find((issue) => issue.code === code)

/** Makes a file look old. */
function old(path: string): void {
  const then = Date.now() / 1000 - DAY_S
  utimesSync(path, then, then)
}

test('a sound project is ready, and looking at it changes nothing', async () => {
  const listing = () => [...readdirSync(repo), ...readdirSync(join(repo, '.overstory'))].sort()
  await look()
  const before = listing()
  const diagnosis = await look()
  expect(diagnosis).toMatchObject({ ready: true, issues: [], fixed: [] })
  expect(diagnosis.checks.map((check) => check.name)).toEqual(
    expect.arrayContaining([
      'git',
      'tmux',
      'node',
      'claude',
      'database',
      'disk',
      'config',
      'branch',
      'gates',
      'leftovers',
    ]),
  )
  expect(listing()).toEqual(before)
})

describe('tools', () => {
  test('a git without merge-tree is too old, for doctor and for sling', async () => {
    program('git', `case "$*" in *version) echo "git version 2.37.9";; *) PATH="\${PATH#*:}" exec git "$@";; esac`)
    const diagnosis = await look()
    expect(diagnosis.ready).toBe(false)
    expect(found(diagnosis, 'git.too-old')).toMatchObject({
      severity: 'error',
      message: expect.stringContaining('2.37.9'),
    })
    const slung = await home.ov(repo, ['sling', '--runtime', 'shell', '--task', 'T', '--command', 'true', '--json'], {
      env: { PATH: `${join(home.path, 'bin')}:${home.env.PATH}` },
    })
    expect(slung.code).toBe(6)
    expect(JSON.parse(slung.stdout).error.code).toBe('git.too-old')
  })

  test('without tmux it is ready all the same, with a warning', async () => {
    const path = join(home.path, 'few')
    mkdirSync(path)
    for (const name of ['git', 'sh', 'claude'])
      writeFileSync(
        join(path, name),
        `#!/bin/sh\nPATH='${join(home.path, 'bin')}:${home.env.PATH}' exec ${name} "$@"\n`,
        {
          mode: 0o755,
        },
      )
    const diagnosis = await look({ PATH: path })
    expect(diagnosis.ready).toBe(true)
    expect(found(diagnosis, 'tmux.missing')?.severity).toBe('warning')
  })

  test('without git it says what to install', async () => {
    const diagnosis = await look({ PATH: join(home.path, 'nothing') })
    expect(diagnosis.ready).toBe(false)
    expect(found(diagnosis, 'git.missing')?.hint).toContain('git-scm.com')
  })

  test('a runtime that hangs or babbles delays nobody, and is said', async () => {
    program('claude', 'sleep 60')
    const started = performance.now()
    const diagnosis = await look()
    expect(performance.now() - started).toBeLessThan(2_500)
    expect(diagnosis.ready).toBe(true)
    expect(found(diagnosis, 'runtime.silent')?.message).toContain('did not answer in time')
    program('claude', 'yes "no version here" | head -c 5000000; exit 3')
    expect(found(await look(), 'runtime.silent')?.message).toContain('did not say it')
  })

  test('the runtime of builders must be installed; a login is asked for, a version only noted', async () => {
    program('claude', 'echo "0.0.1 (Claude Code)"')
    const noted = await look({ ANTHROPIC_API_KEY: '', HOME: join(home.path, 'tmp') })
    expect(noted.ready).toBe(true)
    expect(found(noted, 'runtime.no-login')?.severity).toBe('warning')
    expect(found(noted, 'runtime.not-certified')?.severity).toBe('info')
    rmSync(join(home.path, 'bin', 'claude'))
    const missing = await look()
    expect(missing.ready).toBe(false)
    expect(found(missing, 'runtime.not-installed')?.hint).toContain('npm install')
  })
})

describe('project', () => {
  test('outside a repository, or before ov init, it says what to type', async () => {
    const nowhere = await look({}, home.path)
    expect(nowhere.ready).toBe(false)
    expect(found(nowhere, 'project.no-git')?.hint).toContain('git init')
    const fresh = await look({}, makeRepo(home, 'fresh'))
    expect(found(fresh, 'project.not-initialised')).toMatchObject({ severity: 'error', hint: 'ov init' })
  })

  test('a broken configuration is told with its line, and the rest is looked at all the same', async () => {
    writeFileSync(join(repo, 'overstory.yaml'), 'agents:\n  maxConcurent: 3\n')
    const diagnosis = await look()
    expect(diagnosis.ready).toBe(false)
    expect(found(diagnosis, 'config.invalid')?.message).toMatch(/overstory\.yaml:2:3.*maxConcurrent/)
    expect(diagnosis.checks.find((check) => check.name === 'database')?.status).toBe('ok')
  })

  test('a gate without a command is an error on the canonical branch, a warning elsewhere, for sling too', async () => {
    writeFileSync(join(repo, 'overstory.yaml'), 'project: { qualityGates: [tests-pass, lint-clean] }\n')
    expect(found(await look(), 'gate.unresolved')).toMatchObject({
      severity: 'error',
      hint: expect.stringContaining('command'),
    })
    const sling = () => home.ov(repo, ['sling', '--runtime', 'shell', '--task', 'T', '--command', 'true', '--json'])
    expect(JSON.parse((await sling()).stdout).error).toMatchObject({ code: 'gate.unresolved' })
    git(home, repo, 'switch', '--quiet', '--create', 'side')
    expect(found(await look(), 'gate.unresolved')?.severity).toBe('warning')
    expect((await sling()).code).toBe(0)
  })

  test('no gates, no program for them, and folders that git would take along are warnings', async () => {
    writeFileSync(join(repo, 'overstory.yaml'), 'project: { qualityGates: [] }\n')
    expect(found(await look(), 'gate.none')?.severity).toBe('warning')
    writeFileSync(join(repo, 'overstory.yaml'), 'project: { qualityGates: [tests-pass] }\n')
    writeFileSync(
      join(repo, 'package.json'),
      '{"packageManager":"pnpm@9","scripts":{"test":"true"},"dependencies":{"a":"1"}}',
    )
    const diagnosis = await look({ PATH: `${join(home.path, 'bin')}:/usr/bin:/bin` })
    expect(found(diagnosis, 'gate.program-missing')?.message).toContain('pnpm is not installed')
    expect(found(diagnosis, 'project.not-ignored')?.message).toContain('node_modules')
    expect(diagnosis.ready).toBe(true)
  })

  test('a canonical branch that is not there is an error', async () => {
    writeFileSync(join(repo, 'overstory.local.yaml'), 'project: { canonicalBranch: trunk }\n')
    const diagnosis = await look()
    expect(diagnosis.ready).toBe(false)
    expect(codes(diagnosis)).toContain('project.no-branch')
  })
})

describe('places', () => {
  test('state that others could read is made private again', async () => {
    chmodSync(join(repo, '.overstory'), 0o755)
    rmSync(join(repo, '.overstory', '.gitignore'))
    expect(codes(await look())).toEqual(['state.not-private', 'state.not-ignored'])
    const diagnosis = await mend()
    expect(diagnosis).toMatchObject({ ready: true, issues: [] })
    expect(diagnosis.fixed).toHaveLength(2)
    expect(statSync(join(repo, '.overstory')).mode & 0o777).toBe(0o700)
    expect(git(home, repo, 'status', '--porcelain')).toBe('')
  })

  test('sockets are only put where nobody else can come, under a path that is not too long', async () => {
    // Made by the first who needs it.
    await inProject(home, repo, async ({ socketDir }) => socketDir)
    const [folder] = readdirSync(home.env.XDG_RUNTIME_DIR ?? '')
    chmodSync(join(home.env.XDG_RUNTIME_DIR ?? '', folder ?? ''), 0o755)
    expect(found(await look(), 'sockets.not-private')).toMatchObject({ severity: 'error', fixable: true })
    expect((await mend()).ready).toBe(true)
    const long = join(home.path, 'x'.repeat(100))
    mkdirSync(long, { mode: 0o700 })
    expect(codes(await look({ XDG_RUNTIME_DIR: long }))).toContain('sockets.path-too-long')
  })
})

describe('database', () => {
  const path = () => join(repo, '.overstory', 'state.db')
  const setAside = () =>
    readdirSync(join(repo, '.overstory')).filter((name) => /^state\.db\.corrupt-[^w]*Z$/.test(name))

  const mail = (subject: string) =>
    inProject(home, repo, ({ db }) =>
      write(db, (tx) =>
        insertMail(
          tx,
          { sender: 'human', reader: 'human', type: 'status', priority: 'normal', subject, body: 'B', payload: {} },
          1,
        ),
      ),
    )

  const subjects = () =>
    inProject(home, repo, async ({ db }) =>
      (await db.selectFrom('mail').select('subject').orderBy('seq').execute()).map((row) => row.subject),
    )

  /** Overwrites the page in which a table begins. */
  function damage(table: string): void {
    const database = new Database(path())
    database.pragma('wal_checkpoint(TRUNCATE)')
    const root = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').pluck().get(table)
    const size = database.pragma('page_size', { simple: true })
    database.close()
    const file = openSync(path(), 'r+')
    writeSync(file, Buffer.alloc(Number(size), 0xaa), 0, Number(size), (Number(root) - 1) * Number(size))
    closeSync(file)
  }

  test('garbage in its place is set aside whole, and a new one is made', async () => {
    const garbage = Buffer.from('this is no database\n'.repeat(1_000))
    for (const end of ['-wal', '-shm']) rmSync(path() + end, { force: true })
    writeFileSync(path(), garbage)
    expect(found(await look(), 'db.corrupt')).toMatchObject({ severity: 'error', fixable: true })
    expect(readFileSync(path()).equals(garbage)).toBe(true)
    const diagnosis = await mend()
    expect(diagnosis).toMatchObject({ ready: true, issues: [], fixed: [expect.stringContaining('A new one was made')] })
    expect(setAside()).toHaveLength(1)
    expect(readFileSync(join(repo, '.overstory', setAside()[0] ?? '')).equals(garbage)).toBe(true)
    expect(await subjects()).toEqual([])
  })

  test('mail that can still be read is in the new one', async () => {
    for (const subject of ['one', 'two', 'three']) await mail(subject)
    await inProject(home, repo, ({ db }) => recordEvent(db, { at: 1, type: 'lost.event' }))
    damage('events')
    const diagnosis = await mend()
    expect(diagnosis.ready).toBe(true)
    expect(diagnosis.fixed.join()).toContain('3 mail')
    expect(await subjects()).toEqual(['one', 'two', 'three'])
    await mail('four')
    expect(await subjects()).toHaveLength(4)
  })

  test('the newest good backup takes its place, with what is newer in the damaged one', async () => {
    await mail('in the backup')
    await inProject(home, repo, async ({ databasePath }) => {
      new Database(databasePath).prepare('VACUUM INTO ?').run(`${databasePath}.v1.backup`)
    })
    old(`${path()}.v1.backup`)
    writeFileSync(`${path()}.v2.backup`, 'a bad backup')
    await mail('newer')
    damage('events')
    const diagnosis = await mend()
    expect(diagnosis.fixed.join()).toContain('state.db.v1.backup took its place')
    expect(await subjects()).toEqual(['in the backup', 'newer'])
    writeFileSync(path(), 'garbage now')
    await mend()
    expect(await subjects()).toEqual(['in the backup'])
    expect(setAside()).toHaveLength(2)
  })

  test('two repairs at once set aside one damaged file and no good one', async () => {
    await mail('kept')
    damage('events')
    const outcomes = await Promise.all([1, 2].map(() => home.ov(repo, ['doctor', '--fix', '--json'])))
    for (const outcome of outcomes) expect(outcome.stdout).not.toContain('"code": "db.')
    expect(setAside()).toHaveLength(1)
    expect(await subjects()).toEqual(['kept'])
  })

  test('it is not taken from under a process that has it open', async () => {
    damage('events')
    const holder = spawn('sh', ['-c', 'exec 3<"$1"; echo open; sleep 1000', 'sh', path()], { detached: true })
    try {
      await new Promise((resolve) => holder.stdout.once('data', resolve))
      const diagnosis = await mend()
      expect(diagnosis.ready).toBe(false)
      expect(diagnosis.issues.map((issue) => issue.message).join()).toContain(String(holder.pid))
      expect(setAside()).toEqual([])
    } finally {
      if (holder.pid !== undefined) process.kill(-holder.pid, 'SIGKILL')
    }
  })

  test('a newer one is refused unmodified, an older one only noted', async () => {
    const version = (to: number) => {
      const database = new Database(path())
      database.pragma(`user_version = ${to}`)
      database.pragma('wal_checkpoint(TRUNCATE)')
      database.close()
    }
    version(MIGRATIONS.length + 1)
    const before = readFileSync(path())
    expect(found(await mend(), 'db.newer')).toMatchObject({ severity: 'error', fixable: false })
    expect(readFileSync(path()).equals(before)).toBe(true)
    version(MIGRATIONS.length - 1)
    expect(found(await look(), 'db.old')?.severity).toBe('info')
  })
})

describe('leftovers', () => {
  test('an agent whose runner was killed is found, and ended with its commits kept', async () => {
    const working = join(home.path, 'working')
    const command = `echo one > one.txt; git add -A; git commit -qm one; git rev-parse HEAD > '${working}.new'; mv '${working}.new' '${working}'; sleep 1000`
    await home.ov(repo, ['sling', '--runtime', 'shell', '--name', 'victim', '--task', 'Hang', '--command', command])
    await expect.poll(() => existsSync(working)).toBe(true)
    expect(codes(await look())).toEqual([])
    const pid = await inProject(
      home,
      repo,
      async ({ db }) => (await db.selectFrom('agents').select('owner_pid').executeTakeFirst())?.owner_pid,
    )
    process.kill(Number(pid), 'SIGKILL')
    await expect.poll(async () => codes(await look())).toEqual(['agent.orphaned', 'sockets.left'])
    const diagnosis = await mend()
    expect(diagnosis).toMatchObject({ ready: true, issues: [] })
    expect(diagnosis.fixed.join()).toContain('1 agent that could not ended')
    const commit = readFileSync(working, 'utf8').trim()
    expect(git(home, repo, 'for-each-ref', '--contains', commit, '--format=%(refname)')).toContain('refs/ov/keep/')
  })

  test('the record of a lost worktree goes, its amended commits stay; the human’s lost worktree is not touched', async () => {
    const tree = join(repo, '.overstory', 'worktrees', 'gone')
    git(home, repo, 'worktree', 'add', '--quiet', '-b', 'ov/run/gone', tree)
    git(home, tree, 'commit', '--quiet', '--allow-empty', '--message', 'first try')
    const amended = git(home, tree, 'rev-parse', 'HEAD')
    git(home, tree, 'commit', '--quiet', '--amend', '--allow-empty', '--message', 'second try')
    const mine = join(home.path, 'on a stick')
    git(home, repo, 'worktree', 'add', '--quiet', '-b', 'mine', mine)
    rmSync(tree, { recursive: true })
    renameSync(mine, `${mine}, pulled out`)
    expect(codes(await look())).toEqual(['worktree.gone'])
    expect((await mend()).issues).toEqual([])
    const trees = git(home, repo, 'worktree', 'list', '--porcelain')
    expect(trees).not.toContain(tree)
    expect(trees).toContain(mine)
    expect(git(home, repo, 'for-each-ref', '--contains', amended, '--format=%(refname)')).toContain('refs/ov/keep/')
    expect(git(home, repo, 'rev-parse', '--verify', 'refs/heads/ov/run/gone')).toMatch(/^[0-9a-f]{40}$/)
  })

  test('locks that a killed git left go, those of a living one and the human’s stay', async () => {
    const gitDir = join(repo, '.git')
    const lock = (name: string, aged: boolean) => {
      mkdirSync(join(gitDir, name, '..'), { recursive: true })
      writeFileSync(join(gitDir, name), '')
      if (aged) old(join(gitDir, name))
    }
    lock('refs/heads/ov/run/a.lock', true)
    lock('refs/ov/train/main.lock', true)
    lock('refs/ov/train/fresh.lock', false)
    lock('index.lock', true)
    lock('refs/heads/ov/run/held.lock', true)
    const lockFile = openSync(join(gitDir, 'refs/heads/ov/run/held.lock'), 'r')
    const held = spawn('sleep', ['1000'], { stdio: ['ignore', 'ignore', 'ignore', lockFile], detached: true })
    closeSync(lockFile)
    const elsewhere = join(home.path, 'bin', 'git-waits')
    symlinkSync('/bin/sleep', elsewhere)
    const living = spawn('sh', ['-c', `'${elsewhere}' 1000 & echo $!; wait`], { cwd: repo })
    await new Promise((resolve) => living.stdout.on('data', resolve))
    try {
      expect(codes(await look()).sort()).toEqual(['git.old-lock', 'git.stale-lock'])
      expect(codes(await mend())).toEqual(['git.old-lock'])
      const left = ['a', 'held'].map((name) => existsSync(join(gitDir, 'refs/heads/ov/run', `${name}.lock`)))
      expect(left).toEqual([false, true])
      expect(existsSync(join(gitDir, 'refs/ov/train/main.lock'))).toBe(false)
      expect(existsSync(join(gitDir, 'refs/ov/train/fresh.lock'))).toBe(true)
      expect(existsSync(join(gitDir, 'index.lock'))).toBe(true)
      living.kill('SIGKILL')
      for (const { pid } of processesIn(repo)) if (argumentsOf(pid)[0] === elsewhere) process.kill(pid, 'SIGKILL')
      await expect.poll(async () => codes(await mend())).toEqual(['git.old-lock'])
      expect(existsSync(join(gitDir, 'refs/ov/train/fresh.lock'))).toBe(false)
    } finally {
      held.kill('SIGKILL')
      living.kill('SIGKILL')
    }
  })

  test('scratch worktrees and half-written files of killed processes go', async () => {
    const scratch = join(repo, '.overstory', 'scratch', newId())
    git(home, repo, 'worktree', 'add', '--quiet', '--detach', scratch)
    const draft = join(repo, 'overstory.yaml.123.0a1b2c3d.tmp')
    writeFileSync(draft, 'half')
    const held = { resource: `scratch:${basename(scratch)}`, fence: 1, expires_at: 1 }
    const { pid, start, boot } = ownIdentity()
    await inProject(home, repo, ({ db }) =>
      db
        .insertInto('leases')
        .values({ ...held, owner_pid: pid, owner_start: start, owner_boot: boot })
        .execute(),
    )
    expect(codes(await look())).toEqual([])
    await inProject(home, repo, ({ db }) => db.updateTable('leases').set({ owner_pid: 999_999 }).execute())
    old(draft)
    expect(codes(await look()).sort()).toEqual(['files.drafts', 'scratch.left'])
    expect(codes(await mend())).toEqual([])
    expect(existsSync(scratch)).toBe(false)
    expect(existsSync(draft)).toBe(false)
    expect(git(home, repo, 'worktree', 'list')).not.toContain('scratch')
    expect(await inProject(home, repo, (project) => canonicalBranch(project))).toBe('main')
  })
})
