import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { MIGRATIONS } from '../../../src/db/migrations.ts'
import { block, fakeAider } from '../../rig/fake-aider.ts'
import { fakeScreenClaude } from '../../rig/fake-claude.ts'
import type { Home } from '../../rig/sandbox-home.ts'
import { slingShell } from '../../rig/shell-sling.ts'
import { talkingClaude } from '../../rig/talking-claude.ts'
import { takenDown, takingDown } from '../oracle.ts'
import { readyCopy } from './ground.ts'
import { ENDS, type Ground, type Hand, type Job, type Told } from './job.ts'

const plain =
  (config = '') =>
  async (home: Home): Promise<Ground> => ({ repo: await readyCopy(home, config), env: {}, ends: { fails: 'failed' } })

/** What the brain of an agent commits once, however often it is cut off at it, and where it takes that down. */
function committing(home: Home) {
  const ledger = join(home.path, 'claude-ledger')
  const commit = (file: string) =>
    `${isCommitted(file)} || { echo ${file} > ${file}; git add -A; git commit -qm ${file}; sha=$(git rev-parse HEAD); ${takingDown(ledger, '{"sha":"$sha"}')}; }`
  return { ledger, commit }
}

/** Succeeds when the agent has committed a file. */
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
    const repo = await readyCopy(home, 'worktrees: { pool: 1 }\n')
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
    const repo = await readyCopy(home, 'runtime: { default: claude }\n')
    const { ledger, commit } = committing(home)
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
    const repo = await readyCopy(home, 'runtime: { default: claude }\n')
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
    const repo = await readyCopy(home, 'runtime: { default: claude }\n')
    const met = join(home.path, 'met')
    const talking = talkingClaude(
      home,
      // Who sees whether it is over stumbles once.
      `cat > /dev/null; [ -e '${met}' ] || { touch '${met}'; echo $(($(date +%s) + 2)); exit 43; }
      [ -e '${met}-again' ] || { touch '${met}-again'; exit 42; }
      ${isCommitted('a.txt')} || { echo a > a.txt; git add -A; git commit -qm a; }; ov done --summary 'It is in'`,
    )
    return { repo, env: talking.env, heard: () => talking.heard().map(({ prompt }) => prompt) }
  },
  async act(hand) {
    await hand.types('sling', '--name', 'waits', '--task', 'Write a file')
    await hand.untilSettled('waits')
  },
}

/** An agent that is stopped in the middle of a turn, while another waits for its place. */
const stopped: Job = {
  name: 'stopped',
  async prepare(home) {
    const repo = await readyCopy(home, 'runtime: { default: claude }\nagents: { maxConcurrent: 1 }\n')
    const begun = join(home.path, 'begun')
    const { ledger, commit } = committing(home)
    const talking = talkingClaude(home, `cat > /dev/null; ${commit('one.txt')}; touch '${begun}'; sleep 600`)
    const heard = () => talking.heard().map(({ prompt }) => prompt)
    return { repo, env: talking.env, begun, ledger, heard, ends: { endless: 'stopped' } }
  },
  async act(hand, { begun = '' }) {
    await hand.types('sling', '--name', 'endless', '--task', 'Go on for ever')
    await hand.until('it has begun', () => existsSync(begun))
    await hand.types(...slingShell('next', 'echo next > next.txt'))
    await hand.types('stop', 'endless')
    await hand.untilSettled('endless', 'next')
  },
}

/** An agent that gives up, and is told to try again. */
const retried: Job = {
  name: 'retried',
  async prepare(home) {
    const repo = await readyCopy(home, 'runtime: { default: claude }\n')
    const { ledger, commit } = committing(home)
    const talking = talkingClaude(
      home,
      `cat > /dev/null
      if ${isCommitted('one.txt')}; then ${commit('two.txt')}; ov done --summary Both
      else ${commit('one.txt')}; ov fail --reason 'Too hard'; fi`,
    )
    return { repo, env: talking.env, ledger, heard: () => talking.heard().map(({ prompt }) => prompt) }
  },
  async act(hand) {
    await hand.types('sling', '--name', 'gives-up', '--task', 'Write two files')
    await hand.untilSettled('gives-up')
    if ((await hand.taskStates()).get('gives-up') === 'failed') await hand.types('retry', 'gives-up')
    await hand.untilSettled('gives-up')
  },
}

/** An account at its limit for an hour, and another runtime that is free. */
const atLimit =
  (config: string) =>
  async (home: Home): Promise<Ground> => {
    const repo = await readyCopy(home, config)
    const { ledger, commit } = committing(home)
    const talking = talkingClaude(home, `cat > /dev/null; ${commit('one.txt')}; echo $(($(date +%s) + 3600)); exit 43`)
    const aider = fakeAider(
      home,
      Array.from({ length: 9 }, () => ({ says: block('two.txt', 'two') })),
    )
    const env = { ...aider.env, ...talking.env, PATH: `${aider.env.PATH}:${talking.env.PATH}` }
    return { repo, env, ledger, heard: () => talking.heard().map(({ prompt }) => prompt) }
  }

/** A task that goes on with the next runtime by itself. */
const moves: Job = {
  name: 'moves',
  prepare: atLimit('runtime: { default: claude, fallback: [aider] }\n'),
  async act(hand) {
    await hand.types('sling', '--name', 'mover', '--task', 'Write two files')
    await hand.untilSettled('mover')
  },
}

/** A task that waits, until a person gives it to another runtime. */
const given: Job = {
  name: 'given',
  prepare: atLimit('runtime: { default: claude }\n'),
  async act(hand) {
    await hand.types('sling', '--name', 'waits', '--task', 'Write two files')
    await hand.until('it waits, or has been given away', async () => {
      const [agent] = await hand.agents()
      return agent?.waiting_on === 'rate_limit' || agent?.runtime === 'aider'
    })
    if ((await hand.agents())[0]?.runtime === 'claude') await hand.types('retry', 'waits', '--runtime', 'aider')
    await hand.untilSettled('waits')
  },
}

/** A watchdog without patience, and an agent that hangs once. */
const hanging =
  (verdict: object) =>
  async (home: Home): Promise<Ground> => {
    const repo = await readyCopy(
      home,
      `runtime: { default: claude }
load: { enabled: false }
watchdog: { tier0: { nudgeAfter: 500ms, nudgeEvery: 300ms, nudges: 1 }, tier3: { answerWithin: 1s } }
`,
    )
    const begun = join(home.path, 'begun')
    const { ledger, commit } = committing(home)
    const talking = talkingClaude(
      home,
      `cat > /dev/null; [ -e '${begun}' ] || { touch '${begun}'; sleep 600; }
    ${commit('a.txt')}; ov done --summary 'It is in'`,
      `echo '${JSON.stringify({ why: 'It hangs.', ...verdict })}'`,
    )
    const heard = () => talking.heard().map(({ prompt }) => prompt)
    return { repo, env: talking.env, ledger, heard, ends: { boss: 'done' } }
  }

/** An agent that hangs, is nudged, judged by a model and begins anew. */
const judged: Job = {
  name: 'judged',
  prepare: hanging({ verdict: 'restart-fresh', digest: 'Begin anew.' }),
  async act(hand) {
    await hand.asks('watch', '--background')
    await hand.types('sling', '--name', 'mute', '--task', 'Say nothing')
    await hand.untilSettled('mute')
    await hand.until('it has ended', async () => (await hand.agents()).every((agent) => agent.ended_at !== null))
    await hand.asks('watch', 'stop')
  },
}

/** An agent that hangs, of which its lead is asked, and does not answer; and then a person, who does. */
const decided: Job = {
  name: 'decided',
  prepare: hanging({ verdict: 'ask-human', question: 'Is it worth it?' }),
  async act(hand) {
    const go = `${hand.ledger}.go`
    const sling = `sling --runtime claude --name mute --task 'Say nothing'`
    const lead = `ov ${sling} > /dev/null; while [ ! -e '${go}' ]; do sleep 0.05; done`
    await hand.asks('watch', '--background')
    await hand.types(...slingShell('boss', lead, '--capability', 'lead'))
    const states = () => hand.taskStates()
    const hasEnded = async (name: string) => ENDS.has((await states()).get(name) ?? '')
    await hand.until('it is slung', async () => (await states()).has('mute') || (await hasEnded('boss')))
    // Its lead was killed before it had slung it.
    if (!(await states()).has('mute')) await hand.types('sling', '--name', 'mute', '--task', 'Say nothing')
    await hand.until('a person is asked', async () => (await hand.questions()).length > 0 || (await hasEnded('mute')))
    for (const question of await hand.questions()) await hand.asks('ask', 'answer', question, 'restart-fresh')
    await hand.untilSettled('mute')
    writeFileSync(go, '')
    await hand.untilSettled('boss')
    await hand.until('they have ended', async () => (await hand.agents()).every((agent) => agent.ended_at !== null))
    await hand.asks('watch', 'stop')
  },
}

/** The coordinator, spoken to, stopped, started again and stopped. */
const coordinator: Job = {
  name: 'coordinator',
  async prepare(home) {
    const repo = await readyCopy(home, 'runtime: { default: claude }\n')
    const talking = talkingClaude(home, 'cat > /dev/null; echo Well.')
    const heard = () => talking.heard().map(({ prompt }) => prompt)
    return { repo, env: talking.env, heard, ends: { coordinator: 'stopped' } }
  },
  async act(hand, { heard = () => [] }) {
    const isHeard = (words: string) => () => heard().some((prompt) => prompt.includes(words))
    await hand.types('coordinator', 'Build it')
    await hand.until('it is told', isHeard('Build it'))
    await hand.types('coordinator', 'stop')
    await hand.types('coordinator', 'Mend it')
    await hand.until('it is told again', isHeard('Mend it'))
    await hand.types('coordinator', 'stop', '--reason', 'All is done')
  },
}

/** Something of which a person is told outside. */
const notified: Job = {
  name: 'notified',
  async prepare(home) {
    const repo = await readyCopy(home)
    const file = join(home.path, 'told')
    const program = join(home.path, 'tell.sh')
    writeFileSync(program, `#!/bin/sh\ncat >> '${file}'\n`, { mode: 0o755 })
    writeFileSync(join(repo, 'overstory.local.yaml'), `notify: { command: ['${program}'] }\n`)
    return { repo, env: {}, ends: { fails: 'failed' }, told: () => takenDown<Told>(file) }
  },
  async act(hand, { told = () => [] }) {
    // A channel that is new is told what happens from now on.
    await hand.asks('up')
    await hand.types(...slingShell('fails', 'exit 3'))
    await hand.untilSettled('fails')
    await hand.asks('up')
    await hand.until('it is told', () => told().length > 0)
  },
}

/** An agent on its CLI's own screen, which reports by hooks. */
const screen: Job = {
  name: 'screen',
  async prepare(home) {
    const repo = await readyCopy(home, 'runtime: { default: claude, claude: { mode: interactive } }\n')
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
    const repo = await readyCopy(home)
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
    const repo = await readyCopy(home)
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
  stopped,
  retried,
  moves,
  given,
  judged,
  decided,
  coordinator,
  notified,
]
