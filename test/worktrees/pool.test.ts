import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Agent, getAgent } from '../../src/agents/store.ts'
import { write } from '../../src/db/open.ts'
import { addWorktree, uncommitted } from '../../src/os/git.ts'
import { adminDirOf, commonDirAt } from '../../src/os/git-folder.ts'
import { ownIdentity } from '../../src/os/process.ts'
import { fillPool, poolFacts, recycle, sweepPool, takePooled } from '../../src/worktrees/pool.ts'
import { allSlots, beginSlot } from '../../src/worktrees/pool-store.ts'
import { gitIn, worktreePath } from '../../src/worktrees/prepare.ts'
import { git } from '../rig/sandbox-home.ts'
import { makeYard, type Yard } from '../rig/train-yard.ts'

let yard: Yard
let agent: Agent
let base: string
let count = 0

beforeEach(async () => {
  yard = await makeYard({
    config: 'worktrees: { pool: 2 }\n',
    files: {
      '.gitignore': 'ign/\n*.log\n',
      '.gitattributes': '*.txt text=auto\n',
      'a.txt': 'one\ntwo\n',
      'b.txt': 'b\n',
      'deep/er/c': 'c\n',
      'deep/d': 'd\n',
      run: '#!/bin/sh\n',
    },
  })
  git(yard.home, yard.repo, 'update-index', '--chmod=+x', 'run')
  git(yard.home, yard.repo, 'commit', '--quiet', '--message', 'A program')
  git(yard.home, yard.repo, 'checkout', '--quiet', '--', 'run')
  base = yard.git('rev-parse', 'main')
  const entry = await yard.queue('somebody', { x: 'x' })
  const found = await getAgent(yard.project.db, entry.agent_id)
  if (!found) throw new Error('no agent')
  agent = found
})
afterEach(() => yard.dispose())

/** A worktree of an agent, as one that is slung makes it. */
async function made(): Promise<string> {
  const name = `worker-${++count}`
  const path = worktreePath(yard.project, name)
  await addWorktree(yard.project.git, path, { branch: `ov/run-1/${name}`, base })
  return path
}

async function taken(): Promise<string | null> {
  const name = `taker-${++count}`
  const path = worktreePath(yard.project, name)
  const got = await takePooled(yard.project, agent, { path, branch: `ov/run-1/${name}`, base })
  if (!got) expect(existsSync(path)).toBe(false)
  return got ? path : null
}

/** All that lies in a folder, the top `.git` aside: names as bytes, kinds, modes, contents. */
function picture(folder: string): string[] {
  const seen: string[] = []
  const look = (at: Buffer, name: string) => {
    for (const raw of readdirSync(at, { encoding: 'buffer' })) {
      if (name === '' && raw.toString() === '.git') continue
      const path = Buffer.concat([at, Buffer.from('/'), raw])
      const label = `${name}/${raw.toString('latin1')}`
      const info = lstatSync(path)
      const mode = (info.mode & 0o7777).toString(8)
      if (info.isSymbolicLink()) seen.push(`${label} -> ${readlinkSync(path)}`)
      else if (info.isDirectory()) {
        seen.push(`${label}/ ${mode}`)
        look(path, label)
      } else seen.push(`${label} ${mode} ${info.nlink} ${info.isFile() ? readFileSync(path, 'base64') : 'special'}`)
    }
  }
  look(Buffer.from(folder), '')
  return seen.sort()
}

/** What git finds there, flags of the index included. */
function told(path: string): string {
  const status = git(yard.home, path, 'status', '--porcelain', '--ignored', '--untracked-files=all')
  const flags = git(yard.home, path, 'ls-files', '-v')
  const admin = adminDirOf(path, commonDirAt(yard.repo)) ?? ''
  const record = readdirSync(admin).filter((name) => !['logs', 'ORIG_HEAD'].includes(name))
  return [status, flags, ...record.sort()].join('\n')
}

/** What former tasks may have done. Each runs in the agent's worktree; `$GIT` is its admin folder. */
const HOSTILE: Readonly<Record<string, string>> = {
  'ignored files': 'mkdir -p ign/x; echo old > ign/x/y; echo old > old.log; echo old > deep/er/z.log',
  'empty folders': 'mkdir -p nothing/in/here deep/er/nothing',
  'odd names': `mkdir -p ign; cd ign; touch -- -rf ' ' "$(printf 'new\\nline')" "$(printf '\\377\\376')" '…' '*' '"'`,
  'read-only files and folders': 'mkdir -p ign/ro; echo x > ign/ro/f; chmod 400 ign/ro/f; chmod 500 ign/ro ign',
  pipes: 'mkdir -p ign; mkfifo ign/pipe',
  'a repository inside':
    'mkdir -p ign/nested; git init -q ign/nested; cd ign/nested; echo x > f; git add f; git -c user.name=x -c user.email=x@x commit -qm x',
  'a change under skip-worktree': 'git update-index --skip-worktree b.txt; echo evil > b.txt',
  'a change under assume-unchanged': 'git update-index --assume-unchanged deep/d; echo evil > deep/d',
  'a link under skip-worktree': 'git update-index --skip-worktree a.txt; rm a.txt; ln -s /etc/passwd a.txt',
  'a file in place of a folder': 'git update-index --skip-worktree deep/er/c; rm -r deep/er; echo evil > deep/er',
  'a folder in place of a file': 'git update-index --skip-worktree b.txt; rm b.txt; mkdir b.txt; echo evil > b.txt/x',
  'other line ends': `printf 'one\\r\\ntwo\\r\\n' > a.txt; git add a.txt`,
  'the same size and time':
    'git update-index --assume-unchanged b.txt; touch -r b.txt ign.time.log; echo B > b.txt; touch -r ign.time.log b.txt',
  'other modes': 'chmod 666 deep/d; chmod 700 run; chmod 777 deep; chmod g+s deep/er',
  'a second name outside': 'ln b.txt "$OUTSIDE"/second-$$',
  'a rebase under way': 'mkdir "$GIT/rebase-merge"; echo refs/heads/x > "$GIT/rebase-merge/head-name"',
  'a merge under way': 'git rev-parse HEAD > "$GIT/MERGE_HEAD"; echo m > "$GIT/MERGE_MSG"; echo s > "$GIT/SQUASH_MSG"',
  'a bisect under way': 'git bisect start -q; git bisect bad -q',
  'refs and settings of its own':
    'git update-ref refs/worktree/x HEAD; mkdir -p "$GIT/hooks" "$GIT/info"; echo evil > "$GIT/hooks/post-checkout"; echo /a.txt > "$GIT/info/sparse-checkout"; echo "[core]" > "$GIT/config.worktree"',
  'an index lock': 'touch "$GIT/index.lock"',
  'a sparse checkout': 'git sparse-checkout set --no-cone /b.txt',
  'another branch':
    'git checkout -q -b ov/run-1/elsewhere-$$; echo more > more; git add more; git -c user.name=x -c user.email=x@x commit -qm more',
  'a detached head': 'git checkout -q --detach',
  'a repository in its place': 'rm .git; git init -q .',
}

/** Does it to a fresh worktree, hands it back, and looks at what the next agent would get. */
async function abuse(acts: readonly string[]): Promise<'left' | 'removed' | 'used'> {
  const path = await made()
  const admin = adminDirOf(path, commonDirAt(yard.repo)) ?? ''
  for (const act of acts) {
    const env = { ...yard.home.env, GIT: admin, OUTSIDE: yard.home.path }
    // One act may spoil the ground for the next; what counts is what is left.
    execFileSync('sh', ['-c', `${HOSTILE[act]} || true`], { cwd: path, env, stdio: 'ignore' })
  }
  const before = picture(path)
  let clean = false
  try {
    clean = (await uncommitted(gitIn(yard.project, path))).length === 0
  } catch {
    // Git can't read it: its runner would leave it alone.
  }
  const recycled = clean && (await recycle(yard.project, path))
  if (!recycled) {
    expect(picture(path)).toEqual(before)
    return 'left'
  }
  expect(existsSync(path)).toBe(false)
  const next = await taken()
  if (next === null) {
    expect(await allSlots(yard.project.db)).toEqual([])
    return 'removed'
  }
  const fresh = await made()
  expect(picture(next)).toEqual(picture(fresh))
  expect(told(next)).toBe(told(fresh))
  // What was linked to from outside is another file by now.
  for (const name of readdirSync(yard.home.path).filter((one) => one.startsWith('second-'))) {
    writeFileSync(join(yard.home.path, name), 'evil\n')
    rmSync(join(yard.home.path, name))
  }
  expect(readFileSync(join(next, 'b.txt'), 'utf8')).toBe('b\n')
  return 'used'
}

/** After it no worktree of the repository is used again: git keeps other files for each. */
const SPARSE = 'a sparse checkout'
/** By these git sees files that are not committed: such a worktree stays. */
const LEFT = [SPARSE, 'a file in place of a folder', 'a folder in place of a file']

test.each(Object.keys(HOSTILE))(
  'nothing of a former task is left in a worktree that is used again: %s',
  async (act) => {
    expect(await abuse([act])).toBe(LEFT.includes(act) ? 'left' : 'used')
  },
)

test('nothing of a former task is left, whatever it did together', async () => {
  const acts = Object.keys(HOSTILE).filter((act) => act !== SPARSE)
  const some = fc.uniqueArray(fc.constantFrom(...acts), { minLength: 2, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(some, async (chosen) => {
      await abuse(chosen)
    }),
    { numRuns: 6 },
  )
})

test('what is used again is really used: a file that nobody touched is the same file', async () => {
  const path = await made()
  const { ino } = lstatSync(join(path, 'deep/d'))
  expect(await recycle(yard.project, path)).toBe(true)
  const next = await taken()
  expect(lstatSync(join(next ?? '', 'deep/d')).ino).toBe(ino)
})

test('a worktree with anything uncommitted is not taken, and stays as it is', async () => {
  const path = await made()
  writeFileSync(join(path, 'new'), 'work\n')
  writeFileSync(join(path, 'b.txt'), 'changed\n')
  expect(await recycle(yard.project, path)).toBe(false)
  expect(readFileSync(join(path, 'new'), 'utf8')).toBe('work\n')
  expect(git(yard.home, path, 'status', '--porcelain')).toBe('M b.txt\n?? new')
  expect(await allSlots(yard.project.db)).toEqual([])
})

test('two never get the same: of many at once each gets its own, and the others none', async () => {
  await fillPool(yard.project)
  expect(await poolFacts(yard.project)).toEqual({ ready: 2, wanted: 2 })
  const got = (await Promise.all(Array.from({ length: 6 }, () => taken()))).filter((path) => path !== null)
  expect(got).toHaveLength(2)
  expect(new Set(got).size).toBe(2)
  for (const path of got) {
    const branch = `ov/run-1/${path.split('/').at(-1)}`
    expect(git(yard.home, path, 'status', '--porcelain', '--branch')).toBe(`## ${branch}`)
  }
  expect(await allSlots(yard.project.db)).toEqual([])
  expect(yard.git('worktree', 'list', '--porcelain')).not.toContain('prunable')
})

test('one that has lost its agent gets none', async () => {
  await fillPool(yard.project)
  const stale = { id: agent.id, fence: agent.fence - 1 }
  const wanted = { path: worktreePath(yard.project, 'stale'), branch: 'ov/run-1/stale', base }
  await expect(takePooled(yard.project, stale, wanted)).rejects.toMatchObject({ code: 'agent.fenced' })
  expect(await poolFacts(yard.project)).toMatchObject({ ready: 2 })
})

test('one that somebody has put a file into meanwhile is not given out', async () => {
  await fillPool(yard.project)
  for (const { id } of await allSlots(yard.project.db))
    writeFileSync(join(worktreePath(yard.project, '.pool'), id, 'late.log'), 'planted\n')
  expect(await taken()).toBeNull()
  expect(readdirSync(worktreePath(yard.project, '.pool'))).toEqual([])
})

test('one at an older commit is brought to where the agent begins', async () => {
  await fillPool(yard.project)
  yard.human({ 'b.txt': 'newer\n' }, 'Newer')
  base = yard.git('rev-parse', 'main')
  const path = await taken()
  expect(readFileSync(join(path ?? '', 'b.txt'), 'utf8')).toBe('newer\n')
})

test('what a killed process had begun is removed, what a living one is at is not', async () => {
  await fillPool(yard.project)
  const gone = { ...ownIdentity(), start: '1' }
  const [first, second] = await allSlots(yard.project.db)
  await yard.project.db
    .updateTable('pool')
    .set({ state: 'taken', owner_pid: gone.pid, owner_start: gone.start, owner_boot: gone.boot })
    .where('id', '=', first?.id ?? '')
    .execute()
  const mine = await write(yard.project.db, (tx) => beginSlot(tx, 5, ownIdentity(), 0))
  await sweepPool(yard.project)
  expect((await allSlots(yard.project.db)).map(({ id }) => id)).toEqual([second?.id, mine?.id])
  expect(readdirSync(worktreePath(yard.project, '.pool'))).toEqual([second?.id])
  expect(yard.git('worktree', 'list').split('\n')).toHaveLength(2)
})
