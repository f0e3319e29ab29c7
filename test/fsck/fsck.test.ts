import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { write } from '../../src/db/open.ts'
import { recordEvent } from '../../src/events/store.ts'
import { checkSoundness } from '../../src/fsck/fsck.ts'
import { newId } from '../../src/ids.ts'
import { insertMail } from '../../src/mail/store.ts'
import { driveTrain } from '../../src/merge/train.ts'
import { ownIdentity } from '../../src/os/process.ts'
import { AGENT_MARKER } from '../../src/os/tree.ts'
import { makeYard, type Yard } from '../rig/train-yard.ts'

/*
 * Each test makes a project sound, breaks exactly one thing in its real database, repository or processes, and sees that
 * named, and nothing else.
 */

let yard: Yard
beforeEach(async () => {
  yard = await makeYard({
    config: "project: { qualityGates: [{ name: fine, command: 'test ! -f bad' }] }\nmerge: { maxAttempts: 1 }\n",
  })
})
afterEach(() => yard.dispose())

const gone = new AbortController().signal
const look = () => checkSoundness(yard.repo, { gone })

/** The invariants that some test has broken and seen named. */
const named = new Set<string>(['database-whole'])

/** What is named as broken: the invariant and what is said of it. */
async function broken(): Promise<[string, string][]> {
  const { problems } = await look()
  for (const { invariant } of problems) named.add(invariant)
  return problems.map(({ invariant, what }) => [invariant, what])
}

/** A process identity that is of no live process. */
const DEAD = { owner_pid: 999_999, owner_start: '1', owner_boot: 'another boot' }
const alive = () => {
  const { pid, start, boot } = ownIdentity()
  return { owner_pid: pid, owner_start: start, owner_boot: boot }
}

/** A branch in the queue whose agent has ended, as one whose runner died after its claim. */
async function queued(name: string, files = { [`${name}.txt`]: `${name}\n` }) {
  const entry = await yard.queue(name, files)
  await change('agents', entry.agent_id, { state: 'done', waiting_on: null, ended_at: 1 })
  return entry
}

/** An agent at work that this process owns. */
async function working(name: string, more: Record<string, unknown> = {}) {
  const entry = await yard.queue(name, { [`${name}.txt`]: 'x\n' })
  await yard.project.db.deleteFrom('merges').where('id', '=', entry.id).execute()
  await change('tasks', entry.task_id, { state: 'running' })
  await change('agents', entry.agent_id, { state: 'working', waiting_on: null, fence: 1, ...alive(), ...more })
  return entry
}

async function change(table: 'agents' | 'tasks' | 'merges', id: string, values: Record<string, unknown>) {
  const result = await yard.project.db.updateTable(table).set(values).where('id', '=', id).executeTakeFirst()
  expect(result.numUpdatedRows).toBe(1n)
}

test('a project in which all kinds of things are and were at work is sound, and nothing is changed by looking', async () => {
  await working('ada')
  await queued('bob')
  await queued('cy')
  await driveTrain(yard.project)
  await queued('waiting')
  const before = yard.git('for-each-ref')
  const all = await look()
  expect(all.problems).toEqual([])
  expect(all).toMatchObject({ ok: true, counted: { agents: 4, merges: 3 } })
  expect(all.checked.length).toBeGreaterThan(20)
  expect(yard.git('for-each-ref')).toBe(before)
})

test('a damaged database is named, and nothing is read from it', async () => {
  await queued('ada')
  await yard.project.db.destroy()
  const raw = new Database(yard.project.databasePath)
  raw.pragma('wal_checkpoint(TRUNCATE)')
  const page = raw.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'agents_by_state'").pluck().get() as number
  const size = raw.pragma('page_size', { simple: true }) as number
  raw.close()
  const file = openSync(yard.project.databasePath, 'r+')
  writeSync(file, Buffer.alloc(size, 7), 0, size, (page - 1) * size)
  closeSync(file)
  expect(await look()).toMatchObject({ ok: false, checked: [{}], problems: [{ invariant: 'database-whole' }] })
})

test('an index that does not agree with its table is damage too', async () => {
  await queued('ada')
  const raw = new Database(yard.project.databasePath)
  raw.unsafeMode()
  raw.pragma('writable_schema = ON')
  raw.exec(
    "UPDATE sqlite_schema SET sql = 'CREATE INDEX agents_by_state ON agents(name)' WHERE name = 'agents_by_state'",
  )
  raw.close()
  expect(await broken()).toEqual([['database-whole', expect.stringContaining('agents_by_state')]])
})

test('a row that refers to none is named', async () => {
  const { db } = yard.project
  await write(db, (tx) =>
    insertMail(
      tx,
      { sender: 'ov', reader: 'human', type: 'status', priority: 'low', subject: 's', body: '', payload: {} },
      1,
    ),
  )
  await db.updateTable('mail').set({ sender: 'nobody' }).execute()
  const usage = {
    id: newId(),
    at: 1,
    model: null,
    input: 1,
    output: 1,
    cache_read: null,
    cache_write: null,
    cost_usd: null,
  }
  await sql`PRAGMA foreign_keys = OFF`.execute(db)
  await db
    .insertInto('usage')
    .values({ ...usage, agent_id: 'nobody' })
    .execute()
  expect(await broken()).toEqual([
    ['references', 'A row of usage refers to one of agents that is not there.'],
    ['references', 'There is mail of or for nobody, whom nobody knows.'],
  ])
})

test.each([
  ['task', 'one_open_agent_per_task', { task_id: 'first' }],
  ['name', 'one_open_agent_per_name', { name: 'first' }],
  ['branch', 'one_agent_per_branch', { branch: 'first' }],
] as const)('two agents at work that share a %s are named', async (what, index, shared) => {
  const first = await queued('first')
  const second = await queued('second')
  await sql`DROP INDEX ${sql.ref(index)}`.execute(yard.project.db)
  const row = await yard.project.db
    .selectFrom('agents')
    .selectAll()
    .where('id', '=', first.agent_id)
    .executeTakeFirstOrThrow()
  const [column] = Object.keys(shared) as [keyof typeof row]
  for (const id of [first.agent_id, second.agent_id])
    await change('agents', id, { state: 'queued', [column]: row[column] })
  expect((await broken()).filter(([invariant]) => invariant === 'one-agent-each')).toEqual([
    ['one-agent-each', expect.stringMatching(new RegExp(`^\\w+ .* and \\w+ .* share the ${what} `))],
  ])
})

test('two agents that have no end and the same capability are named', async () => {
  const both = [await queued('first'), await queued('second')]
  await sql`DROP INDEX one_persistent_agent`.execute(yard.project.db)
  for (const { agent_id: id } of both) await change('agents', id, { persistent: 1, capability: 'monitor' })
  expect(await broken()).toEqual([['one-agent-each', expect.stringContaining('share the capability monitor.')]])
})

test('an open task that nobody works on, and one that waits for a merge nobody will make, are named', async () => {
  const idle = await queued('idle')
  const lost = await queued('lost')
  await yard.project.db.deleteFrom('merges').execute()
  await change('tasks', idle.task_id, { state: 'running' })
  expect(await broken()).toEqual([
    ['agents-and-tasks', `Task ${idle.task_id} is running, but nobody works on it.`],
    ['agents-and-tasks', `Task ${lost.task_id} waits for its merge, but its branch is not in the queue.`],
  ])
})

test('an ended task whose branch is still in the queue, or whose agent waits to be started, is named', async () => {
  const merged = await queued('merged')
  await change('tasks', merged.task_id, { state: 'stopped' })
  const waits = await queued('waits')
  await yard.project.db.deleteFrom('merges').where('id', '=', waits.id).execute()
  await change('agents', waits.agent_id, { state: 'queued', ended_at: null })
  await change('tasks', waits.task_id, { state: 'done' })
  expect(await broken()).toEqual([
    ['agents-and-tasks', 'waits is queued, but its task is done.'],
    ['agents-and-tasks', `Task ${merged.task_id} is stopped, but its branch is in the merge queue.`],
  ])
})

test('an agent whose runner is gone is named', async () => {
  await working('died', DEAD)
  await working('nobodys', { owner_pid: null, owner_start: null, owner_boot: null })
  expect(await broken()).toEqual([
    ['agents-have-owners', 'died is working, but its runner is gone.'],
    ['agents-have-owners', 'nobodys is working, but nobody owns it.'],
  ])
})

test('fences that nobody was given are named', async () => {
  const entry = await queued('ada')
  await change('merges', entry.id, { fence: 7 })
  await working('bob', { ...DEAD, fence: 0 })
  expect((await broken()).filter(([invariant]) => invariant === 'fences')).toEqual([
    ['fences', 'bob is working without a fence.'],
    ['fences', 'The merge of ov/run-1/ada was claimed with fence 7, but the train was only given 0.'],
  ])
})

test('a lease that was given out without a fence is named', async () => {
  const free = { owner_pid: null, owner_start: null, owner_boot: null, expires_at: null }
  await yard.project.db
    .insertInto('leases')
    .values({ resource: 'watch', fence: 0, ...free })
    .execute()
  expect(await broken()).toEqual([['fences', 'The lease watch has no fence.']])
})

test('a lease that a dead process holds is named', async () => {
  const lease = { resource: 'watch', fence: 1, expires_at: 1 }
  await yard.project.db
    .insertInto('leases')
    .values({ ...lease, ...DEAD })
    .execute()
  expect(await broken()).toEqual([['leases', 'The lease watch is held by process 999999, which is gone.']])
})

/** Mail from ov's human to an agent at work that nobody owns any more, so that looking is short. */
async function letters(count: number) {
  const { agent_id: reader } = await queued('reader')
  return write(yard.project.db, async (tx) => {
    const mails = []
    for (let number = 0; number < count; number++) {
      const words = { subject: `${number}`, body: '', payload: {} }
      mails.push(
        await insertMail(tx, { sender: 'human', reader, type: 'status', priority: 'normal', ...words }, number),
      )
    }
    return mails.map(({ id }) => id)
  })
}

function deliver(id: string | undefined, at: number, more: Record<string, unknown> = {}) {
  const values = { offer_id: 'o', offered_at: at, delivered_at: at, ...more }
  return yard.project.db
    .updateTable('mail')
    .set(values)
    .where('id', '=', id ?? '')
    .execute()
}

test('mail that waits for one who has ended is named', async () => {
  await letters(2)
  expect(await broken()).toEqual([['mail-reaches-somebody', '2 mails wait for reader, which is done.']])
})

test('mail that was delivered without having been offered is named, unless it asks about an agent and was answered', async () => {
  const [mail] = await letters(1)
  await deliver(mail, 5, { offer_id: null })
  expect(await broken()).toEqual([
    ['mail-once', `Mail ${mail?.slice(-8)} from human to reader was delivered without having been offered.`],
  ])
  await deliver(mail, 5, { offer_id: null, type: 'escalation' })
  expect(await broken()).toEqual([])
})

test('a mail that was overtaken is named, unless its reader asked for the later one', async () => {
  const [first, second, third] = await letters(3)
  await deliver(second, 5)
  await deliver(first, 6)
  await deliver(third, 7)
  expect(await broken()).toEqual([
    ['mail-in-order', `Mail ${first?.slice(-8)} from human to reader was overtaken by a later one.`],
  ])
  await recordEvent(yard.project.db, { at: 4, type: 'mail.picked', data: { mail: [second] } })
  expect(await broken()).toEqual([])
})

test('a clock that was set back between two deliveries makes nothing of them: the records have an order', async () => {
  const [first, second] = await letters(2)
  for (const [mail, at] of [
    [first, 7_200_000],
    [second, 5],
  ] as const) {
    await deliver(mail, at)
    await recordEvent(yard.project.db, { at, type: 'mail.delivered', data: { mail: [mail] } })
  }
  expect(await broken()).toEqual([])
})

test('a mail that was delivered twice, or delivered and sent back, is named', async () => {
  const [twice, both, never] = await letters(3)
  await deliver(twice, 5)
  await deliver(both, 6, { bounced_at: 6 })
  await yard.project.db
    .updateTable('mail')
    .set({ bounced_at: 7 })
    .where('id', '=', never ?? '')
    .execute()
  for (const at of [5, 6])
    await recordEvent(yard.project.db, { at, type: 'mail.delivered', data: { mail: [twice, never] } })
  expect(await broken()).toEqual([
    ['mail-once', `Mail ${twice?.slice(-8)} from human to reader was delivered 2 times.`],
    ['mail-once', `Mail ${both?.slice(-8)} from human to reader was delivered and went back.`],
    ['mail-once', `Mail ${never?.slice(-8)} from human to reader was delivered 2 times.`],
  ])
})

test('a mail that is recorded as delivered and waits, and one that nobody was offered, are named', async () => {
  const [waits, unoffered] = await letters(2)
  await change('agents', (await yard.project.db.selectFrom('agents').selectAll().executeTakeFirstOrThrow()).id, {
    state: 'queued',
    ended_at: null,
  })
  await change('tasks', (await yard.project.db.selectFrom('tasks').selectAll().executeTakeFirstOrThrow()).id, {
    state: 'queued',
  })
  await yard.project.db.deleteFrom('merges').execute()
  await recordEvent(yard.project.db, { at: 5, type: 'mail.delivered', data: { mail: [waits] } })
  await deliver(unoffered, 6, { offer_id: null })
  expect((await broken()).filter(([invariant]) => invariant === 'mail-once')).toEqual([
    ['mail-once', `Mail ${waits?.slice(-8)} from human to reader was recorded as delivered and still waits.`],
    ['mail-once', `Mail ${unoffered?.slice(-8)} from human to reader was delivered without having been offered.`],
  ])
})

test('a merge that was left in the middle, and one that was swapped in and not recorded, are named', async () => {
  const half = await queued('half')
  const done = await queued('done')
  await yard.project.db
    .insertInto('leases')
    .values({
      resource: 'merge-train',
      fence: 3,
      owner_pid: null,
      owner_start: null,
      owner_boot: null,
      expires_at: null,
    })
    .execute()
  await change('merges', half.id, { state: 'merging', fence: 3 })
  await change('merges', done.id, { intended_as: yard.git('rev-parse', 'main') })
  expect(await broken()).toEqual([
    ['merges-settled', 'The merge of ov/run-1/half was left in the middle.'],
    [
      'merges-settled',
      `ov/run-1/done was merged as ${yard.git('rev-parse', 'main').slice(0, 12)}, but is recorded as ready.`,
    ],
  ])
})

test('what is recorded as merged and on no branch is named, unless a human took it back', async () => {
  await queued('ada')
  await driveTrain(yard.project)
  const merged = yard.git('rev-parse', 'main')
  yard.git('update-ref', '-m', 'ov: land', 'refs/heads/main', 'main~1')
  yard.git('update-ref', 'refs/ov/train/main', 'main')
  yard.git('update-ref', 'refs/ov/keep/x/'.concat(merged), merged)
  expect(await broken()).toEqual([
    ['merged-is-on-branch', `ov/run-1/ada was merged as ${merged.slice(0, 12)}, which is not on main.`],
  ])
  yard.git('update-ref', '-m', 'ov: land', 'refs/heads/main', merged)
  yard.git('reset', '--quiet', '--hard', 'HEAD~1')
  expect(await broken()).toEqual([])
})

test('a train whose tip no gate was green on is named', async () => {
  await queued('ada')
  await driveTrain(yard.project)
  await yard.project.db.updateTable('trains').set({ green_sha: null }).execute()
  expect(await broken()).toEqual([['train-is-green', expect.stringContaining('on which no gate was green')]])
})

test('a landing that was left in the middle is named', async () => {
  const sha = yard.git('rev-parse', 'main')
  const landing = { branch: 'main', checkout: '.', from_sha: sha, to_sha: sha, state: 'landing' } as const
  await yard.project.db
    .insertInto('landings')
    .values({ id: newId(), ...landing, ...DEAD, created_at: 1, updated_at: 1 })
    .execute()
  expect(await broken()).toEqual([
    ['landings-settled', expect.stringContaining('in the checkout was left in the middle')],
  ])
})

test('a ref that leads nowhere is named, and so are objects that are missing behind one', async () => {
  const { head_sha: head } = await queued('ada')
  const tree = yard.git('rev-parse', `${head}^{tree}`)
  rmSync(join(yard.repo, '.git', 'objects', tree.slice(0, 2), tree.slice(2)))
  mkdirSync(join(yard.repo, '.git', 'refs', 'ov', 'keep', 'x'), { recursive: true })
  writeFileSync(join(yard.repo, '.git', 'refs', 'ov', 'keep', 'x', 'empty'), '')
  yard.git('update-ref', `refs/ov/keep/x/${'0'.repeat(40)}`, 'main')
  expect(await broken()).toEqual([
    ['refs-whole', 'The ref refs/ov/keep/x/empty names no object.'],
    ['refs-whole', expect.stringContaining(tree)],
    ['refs-whole', `refs/ov/keep/x/${'0'.repeat(40)} keeps another commit than it says.`],
  ])
})

/** A worktree of an agent that has ended, with a commit that it has amended away since. */
async function worktree(name: string) {
  const entry = await queued(name)
  const path = join(yard.repo, '.overstory', 'worktrees', name)
  yard.git('worktree', 'add', '--quiet', path, entry.branch)
  return { entry, path }
}

test('a commit that no ref reaches is named, whether an agent claimed it or its worktree was at it', async () => {
  const { entry, path } = await worktree('ada')
  yard.git('-C', path, 'commit', '--quiet', '--allow-empty', '--message', 'One')
  const amended = yard.git('-C', path, 'rev-parse', 'HEAD')
  yard.git('-C', path, 'commit', '--quiet', '--amend', '--allow-empty', '--message', 'Two')
  const claimed = await queued('bob')
  yard.git('update-ref', '-d', `refs/heads/${claimed.branch}`)
  expect(await broken()).toEqual([
    ['commits-reachable', `Commit ${claimed.head_sha.slice(0, 12)} of ov/run-1/bob is reachable by no ref.`],
    ['commits-reachable', `Commit ${amended.slice(0, 12)} of ada is reachable by no ref.`],
  ])
  for (const sha of [amended, claimed.head_sha]) yard.git('update-ref', `refs/ov/keep/${entry.agent_id}/${sha}`, sha)
  expect(await broken()).toEqual([])
})

test('a branch that is nobody’s is named, and the branch that an agent at work has lost', async () => {
  yard.git('branch', 'ov/run-1/stray')
  const { branch } = await working('ada', { ...DEAD, turns: 1 })
  yard.git('update-ref', '-d', `refs/heads/${branch}`)
  expect((await broken()).filter(([invariant]) => invariant === 'branches-owned')).toEqual([
    ['branches-owned', 'The branch ov/run-1/stray belongs to no agent.'],
    ['branches-owned', 'The branch ov/run-1/ada of ada is gone.'],
  ])
})

test('a worktree that is nobody’s is named, one whose folder is gone, and half a one', async () => {
  const base = join(yard.repo, '.overstory', 'worktrees')
  yard.git('worktree', 'add', '--quiet', '--detach', join(base, 'stray'), 'main')
  yard.git('worktree', 'add', '--quiet', '--detach', join(base, 'gone'), 'main')
  rmSync(join(base, 'gone'), { recursive: true })
  mkdirSync(join(base, 'half'))
  writeFileSync(join(base, 'half', '.git'), `gitdir: ${join(yard.repo, '.git', 'worktrees', 'half')}\n`)
  mkdirSync(join(base, '.pool', 'unknown'), { recursive: true })
  expect(await broken()).toEqual([
    ['worktrees-owned', `The worktree ${join(base, 'stray')} belongs to no agent.`],
    ['worktrees-owned', `The prepared worktree ${join(base, '.pool', 'unknown')} is known to nobody.`],
    ['worktrees-owned', `The folder of the worktree ${join(base, 'gone')} is gone.`],
    ['worktrees-owned', `${join(base, 'half')} is half a worktree: git has no record of it.`],
  ])
})

test('a worktree that git can’t read is named, and that of an agent at work which is gone', async () => {
  const { path } = await worktree('ada')
  writeFileSync(join(yard.repo, '.git', 'worktrees', 'ada', 'index'), 'no index')
  await working('bob', { ...DEAD, turns: 1 })
  const found = (await broken()).filter(([invariant]) => invariant === 'worktrees-whole')
  expect(found).toEqual([
    ['worktrees-whole', expect.stringMatching(/^Git can't read the worktree of ada: .*index/)],
    ['worktrees-whole', expect.stringMatching(/^The worktree of bob is gone: /)],
  ])
  expect(path).toContain('ada')
})

test('a scratch worktree of a check that was killed is named', async () => {
  const id = newId()
  mkdirSync(join(yard.repo, '.overstory', 'scratch', id), { recursive: true })
  expect(await broken()).toEqual([['scratch-in-use', expect.stringContaining(id)]])
})

test('a prepared worktree that is not there is named, and one that was begun and left', async () => {
  const slot = { base_sha: null, created_at: 1 }
  const [ready, making] = [newId(), newId()]
  await yard.project.db
    .insertInto('pool')
    .values({ id: ready, state: 'ready', ...slot, owner_pid: null, owner_start: null, owner_boot: null })
    .execute()
  await yard.project.db
    .insertInto('pool')
    .values({ id: making, state: 'making', ...slot, ...DEAD })
    .execute()
  expect(await broken()).toEqual([
    ['pool-whole', `The prepared worktree ${ready} is gone.`],
    ['pool-whole', `The prepared worktree ${making} was left in the middle (making).`],
  ])
})

test('a lock that no git holds is named', async () => {
  const { path } = await worktree('ada')
  const lock = join(yard.repo, '.git', 'worktrees', 'ada', 'index.lock')
  writeFileSync(lock, '')
  expect(await broken()).toEqual([['locks', `No git is at work here, but ${lock} is there.`]])
  expect(path).toContain('ada')
  rmSync(lock)
  const canonical = join(yard.repo, '.git', 'refs', 'heads', 'main.lock')
  writeFileSync(canonical, '')
  expect(await broken()).toEqual([['locks', `No git is at work here, but ${canonical} is there.`]])
})

test('processes of an agent that has ended are named, with their pids', async () => {
  const { agent_id: id } = await queued('ada')
  const child = spawn('sleep', ['600'], { env: { ...yard.home.env, [AGENT_MARKER]: id } })
  try {
    expect(await broken()).toEqual([['processes-owned', `ada is done, but processes of its live on: ${child.pid}`]])
  } finally {
    child.kill('SIGKILL')
  }
})

test('runners of an agent that has ended, of an earlier time, and more than one are named', async () => {
  const ended = await queued('ada')
  const old = await working('bob', { ...DEAD, fence: 5 })
  const twice = await working('cy', { ...DEAD, fence: 5 })
  const main = join(yard.home.path, 'main.js')
  writeFileSync(main, 'setInterval(() => {}, 1000)\n')
  const runner = (id: string, fence: number) =>
    spawn('bash', ['-c', `exec -a node ${process.execPath} ${main} runner ${id} ${fence}`])
  const children = [
    runner(ended.agent_id, 1),
    runner(old.agent_id, 2),
    runner(twice.agent_id, 4),
    runner(twice.agent_id, 4),
  ]
  const [, earlier, ...both] = children.map(({ pid }) => pid)
  try {
    await expect
      .poll(async () => (await broken()).filter(([name]) => name === 'processes-owned'))
      .toEqual([
        ['processes-owned', 'ada is done, but its runner lives on.'],
        ['processes-owned', `bob has a runner of an earlier time (${earlier}).`],
        ['processes-owned', `cy has 2 runners (${both.join(', ')}).`],
      ])
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
})

test('a socket that nobody listens on is named, also when it is the one of an agent at work', async () => {
  const dead = join(yard.project.socketDir, 'dead.sock')
  const server = createServer().listen(dead)
  await new Promise((resolve) => server.on('listening', resolve))
  const child = spawn('sh', [
    '-c',
    `exec ${process.execPath} -e "require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))" ${join(yard.project.socketDir, 'killed.sock')}`,
  ])
  await new Promise((resolve) => child.on('exit', resolve))
  const { agent_id: id } = await working('ada')
  const silent = join(yard.project.socketDir, 'never.sock')
  const member = spawn('sleep', ['600'], { env: { ...yard.home.env, [AGENT_MARKER]: id, OV_BROKER: silent } })
  try {
    expect(await broken()).toEqual([
      ['sockets', 'Nobody answers ada on its socket.'],
      ['sockets', `Nobody listens on the socket ${join(yard.project.socketDir, 'killed.sock')}.`],
    ])
  } finally {
    member.kill('SIGKILL')
    server.close()
  }
})

test('a private folder that is nobody’s is named, and a spool that is gone', async () => {
  const unknown = newId()
  mkdirSync(join(yard.repo, '.overstory', 'agents', unknown), { recursive: true })
  const { agent_id: id } = await working('ada', DEAD)
  await yard.project.db.insertInto('hook_calls').values({ agent_id: id, name: 'x' }).execute()
  expect((await broken()).filter(([invariant]) => invariant === 'private-folders')).toEqual([
    ['private-folders', `The private folder ${unknown} belongs to no agent.`],
    ['private-folders', expect.stringMatching(/^The spool of ada is gone: /)],
  ])
})

test('what a live process owns is in motion, and what is put right meanwhile was never broken', async () => {
  const { agent_id: id } = await working('ada')
  await working('bob', DEAD)
  const looking = look()
  await change('agents', id, { state: 'working' })
  await yard.project.db.updateTable('agents').set(alive()).where('name', '=', 'bob').execute()
  expect((await looking).problems).toEqual([])
  await change(
    'tasks',
    (await yard.project.db.selectFrom('agents').select('task_id').where('id', '=', id).executeTakeFirstOrThrow())
      .task_id,
    { state: 'stopped' },
  )
  expect(await broken()).toEqual([])
})

test('each invariant was broken by one of these tests, and seen named', async () => {
  expect((await look()).checked.map(({ invariant }) => invariant).filter((name) => !named.has(name))).toEqual([])
})
