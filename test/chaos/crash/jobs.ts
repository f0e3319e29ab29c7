import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { MIGRATIONS } from '../../../src/db/migrations.ts'
import { fakeScreenClaude } from '../../rig/fake-claude.ts'
import { type Home, readyRepo } from '../../rig/sandbox-home.ts'
import { slingShell } from '../../rig/shell-sling.ts'
import { talkingClaude } from '../../rig/talking-claude.ts'
import { takingDown } from '../oracle.ts'
import type { Ground, Hand, Job } from './job.ts'

const plain =
  (config = '') =>
  async (home: Home): Promise<Ground> => ({ repo: await readyRepo(home, config), env: {} })

/** Succeeds when the agent has committed a file: a file alone may be all that one who was cut off has left. */
function isCommitted(file: string): string {
  return `git cat-file -e HEAD:${file} 2> /dev/null`
}

/** A command that commits a file and takes down the commit. */
function commits({ ledger }: Hand, file: string): string {
  return `echo ${file} > ${file} && git add ${file} && git commit -qm ${file} && sha=$(git rev-parse HEAD) && ${takingDown(ledger, '{"sha":"$sha"}')}`
}

/** Commands as agents: one commits, one leaves that to `ov`, one meets a red gate, one leaves mail unread, one fails. */
const shell: Job = {
  name: 'shell',
  prepare: plain(),
  async act(hand) {
    const go = `${hand.ledger}.go`
    await hand.types(...slingShell('one', commits(hand, 'one.txt')))
    await hand.types(...slingShell('two', 'echo two > two.txt'))
    await hand.types(
      ...slingShell('red', `[ -n "$OV_FEEDBACK" ] && git rm -q bad || touch bad; ${commits(hand, 'red.txt')}`),
    )
    await hand.types(...slingShell('busy', `while [ ! -e ${go} ]; do sleep 0.02; done; ${commits(hand, 'busy.txt')}`))
    await hand.types(...slingShell('fails', `${commits(hand, 'fails.txt')}; exit 3`))
    await hand.asks('mail', 'send', '--to', 'busy', '--subject', 'Never read', '--body', 'By nobody.')
    writeFileSync(go, '')
    await hand.untilSettled('one', 'two', 'red', 'busy', 'fails')
    await hand.until('the agents have ended', async () =>
      (await hand.agents()).every((agent) => agent.ended_at !== null),
    )
    await hand.asks('clean', '--yes')
  },
}

/** Worktrees prepared ahead, taken and used again. */
const pool: Job = {
  name: 'pool',
  prepare: plain('worktrees: { pool: 1 }\n'),
  async act(hand) {
    await hand.types(...slingShell('first', commits(hand, 'first.txt')))
    await hand.untilSettled('first')
    await hand.types(...slingShell('second', commits(hand, 'second.txt')))
    await hand.untilSettled('second')
  },
}

/** A worktree that the pool has room for when its agent is done: what prepares one stumbled before. */
const recycled: Job = {
  name: 'recycled',
  async prepare(home) {
    const repo = await readyRepo(home, 'worktrees: { pool: 1 }\n')
    const folder = join(repo, '.overstory', 'worktrees')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, '.pool'), 'in the way\n')
    return { repo, env: {} }
  },
  async act(hand) {
    const go = `${hand.ledger}.go`
    const inTheWay = join(hand.repo, '.overstory', 'worktrees', '.pool')
    const command = `while [ ! -e ${go} ]; do sleep 0.02; done; ${commits(hand, 'used.txt')}`
    await hand.types(...slingShell('used', command))
    const hasEnded = async () => (await hand.agents()).every((agent) => agent.ended_at !== null)
    const stumbles = async () => existsSync(go) || (await hand.hasEvent('pool.trouble')) || (await hasEnded())
    await hand.until('the pool stumbles', stumbles)
    if (!existsSync(go)) rmSync(inTheWay, { force: true })
    writeFileSync(go, '')
    await hand.untilSettled('used')
    await hand.until('it has ended', hasEnded)
  },
}

/** An agent that asks a person, and goes on when it is answered; what it was told it keeps in mind. */
const claude: Job = {
  name: 'claude',
  async prepare(home) {
    const repo = await readyRepo(home, 'runtime: { default: claude }\n')
    const ledger = join(home.path, 'claude-ledger')
    const commit = (file: string) =>
      `${isCommitted(file)} || { echo ${file} > ${file}; git add -A; git commit -qm ${file}; sha=$(git rev-parse HEAD); ${takingDown(ledger, '{"sha":"$sha"}')}; }`
    const talking = talkingClaude(
      home,
      // What is in its conversation it knows, though the turn in which it heard of it was cut off.
      `cat > /dev/null; ${commit('one.txt')}
      if grep -q 'Blue[.]' "$(dirname "$0")/heard.ndjson"; then ${commit('two.txt')}; ov done --summary Both; else ov ask 'Which colour?'; fi`,
    )
    return { repo, env: talking.env, ledger, heard: () => talking.heard().map(({ prompt }) => prompt) }
  },
  async act(hand) {
    await hand.types('sling', '--name', 'asks', '--task', 'Write two files')
    await hand.until('it asks or is done', async () => {
      const [agent] = await hand.agents()
      const state = (await hand.taskStates()).get('asks')
      return agent?.waiting_on === 'human' || state === 'merged' || state === 'failed'
    })
    if ((await hand.taskStates()).get('asks') === 'running')
      await hand.types('mail', 'send', '--to', 'asks', '--subject', 'Colour', '--body', 'Blue.')
    await hand.untilSettled('asks')
  },
}

/** An agent whose runner is killed while a watcher watches. */
const watched: Job = {
  name: 'watched',
  async prepare(home) {
    const repo = await readyRepo(home, 'runtime: { default: claude }\n')
    const begun = join(home.path, 'begun')
    const talking = talkingClaude(
      home,
      `cat > /dev/null; [ -e '${begun}' ] || { touch '${begun}'; sleep 600; }
      ${isCommitted('a.txt')} || { echo a > a.txt; git add -A; git commit -qm a; }; ov done --summary 'It is in'`,
    )
    return { repo, env: talking.env, begun, heard: () => talking.heard().map(({ prompt }) => prompt) }
  },
  async act(hand, { begun = '' }) {
    await hand.asks('watch', '--background')
    await hand.types('sling', '--name', 'killed', '--task', 'Write a file')
    await hand.until('it has begun', () => existsSync(begun))
    hand.killsRunner()
    await hand.untilSettled('killed')
    await hand.until('it has ended', async () => (await hand.agents()).every((agent) => agent.ended_at !== null))
    await hand.asks('watch', 'stop')
  },
}

/** An agent whose account is at its limit for a second. */
const limited: Job = {
  name: 'limited',
  async prepare(home) {
    const repo = await readyRepo(home, 'runtime: { default: claude }\n')
    const met = join(home.path, 'met')
    const talking = talkingClaude(
      home,
      `cat > /dev/null; [ -e '${met}' ] || { touch '${met}'; echo $(($(date +%s) + 2)); exit 43; }
      ${isCommitted('a.txt')} || { echo a > a.txt; git add -A; git commit -qm a; }; ov done --summary 'It is in'`,
    )
    return { repo, env: talking.env, heard: () => talking.heard().map(({ prompt }) => prompt) }
  },
  async act(hand) {
    await hand.types('sling', '--name', 'waits', '--task', 'Write a file')
    await hand.untilSettled('waits')
  },
}

/** An agent on its CLI's own screen, which reports by hooks. */
const screen: Job = {
  name: 'screen',
  async prepare(home) {
    const repo = await readyRepo(home, 'runtime: { default: claude, claude: { mode: interactive } }\n')
    const turn = `${isCommitted('a.txt')} || { echo a > a.txt; git add -A; git commit -qm a; }; ov done --summary "It is in"`
    const { PATH } = fakeScreenClaude(
      home,
      Array.from({ length: 9 }, () => turn),
      { hooks: true },
    )
    return { repo, env: { PATH, ANTHROPIC_API_KEY: 'sk-fake' } }
  },
  async act(hand) {
    await hand.types('sling', '--interactive', '--name', 'seen', '--task', 'Write a file')
    await hand.untilSettled('seen')
  },
}

/** What was merged beneath a person at work, landed when nobody has the branch checked out any more. */
const detached: Job = {
  name: 'detached',
  async prepare(home) {
    const repo = await readyRepo(home)
    writeFileSync(join(repo, 'README.md'), '# Changed by a person\n')
    return { repo, env: {}, dirty: ' M README.md' }
  },
  async act(hand) {
    await hand.types(...slingShell('aside', commits(hand, 'aside.txt')))
    await hand.untilSettled('aside')
    hand.git('checkout', '--quiet', '--detach')
    await hand.asks('land')
  },
}

/** One command as an agent, cut off somewhere; what is tried is bringing it back. */
const cutOff = (name: string, step: string): Job => ({
  name,
  before: { step, hit: 1 },
  prepare: plain(),
  async act(hand) {
    await hand.types(...slingShell('cut', commits(hand, 'cut.txt')))
    await hand.untilSettled('cut')
  },
})

/** The same with an agent that goes on. */
const goesOn: Job = { ...claude, name: 'goes-on', before: { step: 'turn.prompted', hit: 1 } }

/** A database of an older version, which the first command brings up to this one. */
const upgrade: Job = {
  name: 'upgrade',
  async prepare(home) {
    const repo = await readyRepo(home)
    const file = join(repo, '.overstory', 'state.db')
    for (const each of [file, `${file}-wal`, `${file}-shm`]) rmSync(each, { force: true })
    const old = new Database(file)
    old.pragma('journal_mode = WAL')
    const version = MIGRATIONS.length - 1
    for (const sql of MIGRATIONS.slice(0, version)) old.exec(sql)
    old.prepare("INSERT INTO runs (id, name, created_at) VALUES ('old', 'run-of-old', 1)").run()
    old.pragma(`user_version = ${version}`)
    old.close()
    return { repo, env: {} }
  },
  async act(hand) {
    const outcome = await hand.asks('run', 'list', '--json')
    if (!outcome.stdout.includes('run-of-old'))
      throw new Error(`the run of the older version is gone: ${outcome.output}`)
  },
}

export const JOBS: readonly Job[] = [
  shell,
  claude,
  pool,
  recycled,
  detached,
  upgrade,
  cutOff('landing', 'land.brought'),
  cutOff('starting', 'runner.owned'),
  cutOff('working', 'turn.prompted'),
  goesOn,
  watched,
  limited,
  screen,
]
