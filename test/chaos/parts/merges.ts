import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { mendLandings } from '../../../src/merge/land.ts'
import { getMerge, type MergeEntry, openMerges } from '../../../src/merge/store.ts'
import { type Home, OV } from '../../rig/sandbox-home.ts'
import { makeYard, type Yard } from '../../rig/train-yard.ts'
import { fsck, isGreen, missing, unreachable } from '../oracle.ts'
import { emptyTally, type Part } from '../part.ts'

const KILLS = 300
/** So many entries wait at a time. */
const QUEUE = 6
/** What a train is thought to take before one has come to its end, in ms. */
const FIRST_MS = 1_500
/** What is not merged so long after the last kill, in ms, will not be. */
const SETTLING_MS = 40_000

/** Of agents that nobody runs. */
const PLAYED = /without a fence/
/** What of the human's lies in the checkout, and must lie there unchanged, whatever happens. */
const UNTRACKED = { 'notes.txt': 'my notes\n', '.env': 'SECRET=mine\n', 'w/scratch.txt': 'mine\n' }

/**
 * The train is killed again and again while branches wait, some of them red or in conflict. The gate itself takes down
 * which commits it was green on: the branch and the train's ref may never have been at another.
 */
export default {
  name: 'merges',
  what: 'the merge train is killed, alone or with its git, while branches wait and a human works in the checkout',
  seconds: 60,
  async run({ random, long, gone, late, home, note, problem, afterwards }) {
    const machine = home()
    const greenFile = join(machine.path, 'green')
    const yard = await makeYard({
      home: machine,
      config: `project: { qualityGates: [{ name: t, command: "test ! -f bad && git rev-parse HEAD >> '${greenFile}'" }] }\n`,
      files: { '.gitignore': '.env\n', 'mine.txt': 'v0\n', 'clash.txt': 'base\n' },
    })
    afterwards(() => yard.dispose())
    const { project } = yard
    // Every value that a ref ever had is to be known afterwards.
    yard.git('config', 'core.logAllRefUpdates', 'always')
    const beginning = yard.git('rev-parse', 'main')
    yard.human(UNTRACKED)
    yard.human({ 'mine.txt': 'stashed\n' })
    yard.git('stash', 'push', '--quiet')
    const stash = yard.git('rev-parse', 'refs/stash')

    const entries: MergeEntry[] = []
    const refill = async () => {
      while ((await openMerges(project.db)).length < QUEUE) {
        const number = entries.length
        const clash = number % 17 === 16 ? { 'clash.txt': `${number}\n` } : {}
        const bad = number % 13 === 12 ? { bad: 'red\n' } : {}
        entries.push(await yard.queue(`b-${number}`, { [`w/${number}.txt`]: `${number}\n`, ...clash, ...bad }))
      }
    }
    const tally = emptyTally()
    let dirty: string | null = null
    let versions = 0
    // How long a train takes for what waits, on this machine just now: it is killed at any moment of that.
    let drive = FIRST_MS
    for (let round = 0; tally.faults < KILLS && !gone.aborted && (long || !late()); round++) {
      await refill()
      if (round % 11 === 5) {
        // The human edits a tracked file; some kills later it is committed, beneath what was merged meanwhile.
        await mendLandings(project)
        dirty = `v${++versions}\n`
        yard.human({ 'mine.txt': dirty })
      } else if (round % 11 === 9 && dirty !== null) {
        await mendLandings(project)
        yard.human({ 'mine.txt': dirty }, 'Human')
        dirty = null
      }
      const train = startMerge(machine, yard.repo)
      const from = performance.now()
      const over = endOf(train)
      await Promise.race([delay(random.unit() * drive), over])
      if (isAlive(train) && train.pid !== undefined) {
        // Alone, or with its git and the gate.
        process.kill(random.chance(0.5) ? -train.pid : train.pid, 'SIGKILL')
        tally.faults += 1
        await over
        drive *= 1.05
      } else drive = performance.now() - from
      for (const [path, content] of Object.entries(UNTRACKED))
        if (!existsSync(join(yard.repo, path)) || yard.read(path) !== content)
          problem(`${path} of the human's was changed`)
      if (dirty !== null && yard.read('mine.txt') !== dirty) problem('what the human had edited was changed')
      if (round % 50 === 49) note(`${tally.faults} kills, ${entries.length} branches`)
    }

    await mendLandings(project)
    if (dirty !== null) yard.human({ 'mine.txt': dirty }, 'Human')
    const before = performance.now()
    while ((await openMerges(project.db)).length > 0 && performance.now() - before < SETTLING_MS && !gone.aborted) {
      const outcome = await machine.ov(yard.repo, ['merge', '--quiet'])
      if (![0, 3].includes(outcome.code ?? -1)) problem(`ov merge after the last kill: ${outcome.output}`)
    }
    tally.recovered.push(performance.now() - before)

    const rows = await Promise.all(entries.map(async ({ id }) => getMerge(project.db, id)))
    const left = rows.filter((row) => row === undefined || row.state === 'ready' || row.state === 'merging')
    if (left.length > 0) problem(`${left.length} branches were neither merged nor sent back`)
    const wanted = rows.filter((row) => row?.state === 'merged')
    for (const entry of entries.filter((_, number) => number % 13 === 12))
      if (wanted.some((row) => row?.id === entry.id)) problem(`${entry.branch} is red and was merged`)
    checkHistory(yard, { beginning, greenFile, rows, problem })
    const status = yard.git('status', '--porcelain')
    if (status !== '?? notes.txt\n?? w/scratch.txt') problem(`the checkout is not whole: ${status}`)
    if (yard.git('rev-parse', 'refs/stash') !== stash || yard.git('stash', 'list').split('\n').length !== 1)
      problem('the stash was changed')
    const left2 = readdirSync(join(yard.repo, '.git')).filter((name) => /^ov-|\.lock$/.test(name))
    if (left2.length > 0) problem(`left in the git folder: ${left2.join(' ')}`)
    // Their agents were only played; what is the train's is to be sound.
    const about = /^(database|references|fences|mail|merges|merged|train|landings|refs|commits|scratch|locks|leases)/
    for (const broken of (await fsck(machine, yard.repo)).filter((line) => about.test(line) && !PLAYED.test(line)))
      problem(broken)

    const heads = entries.map(({ head_sha: head }) => head)
    return {
      ...tally,
      load: `${entries.length} branches, ${QUEUE} waiting`,
      commits: heads.length,
      reachable: heads.length - unreachable(machine, yard.repo, heads).length,
      mainGreen: isGreen(machine, yard.repo, 'main'),
    }
  },
} satisfies Part

/** `ov merge`, in a process group of its own. */
function startMerge(machine: Home, repo: string): ChildProcess {
  return spawn(process.execPath, [OV, 'merge', '--quiet'], {
    cwd: repo,
    env: { ...machine.env },
    detached: true,
    stdio: 'ignore',
  })
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

function endOf(child: ChildProcess): Promise<unknown> {
  return isAlive(child) ? once(child, 'exit') : Promise.resolve()
}

/** Every commit that the branch or the train's ref ever was at passed the gate or is the human's, and all was merged once. */
function checkHistory(
  yard: Yard,
  {
    beginning,
    greenFile,
    rows,
    problem,
  }: {
    beginning: string
    greenFile: string
    rows: readonly (MergeEntry | undefined)[]
    problem: (what: string) => void
  },
): void {
  const green = existsSync(greenFile) ? readFileSync(greenFile, 'utf8').split('\n') : []
  const before = yard.git('rev-list', beginning).split('\n')
  const human = yard.git('log', '--format=%H', '--fixed-strings', '--grep=Human', 'main').split('\n')
  for (const ref of ['refs/heads/main', 'refs/ov/train/main']) {
    const been = yard.git('reflog', 'show', '--format=%H', ref, '--').split('\n')
    const unchecked = missing(been, [...green, ...human, ...before])
    if (unchecked.length > 0) problem(`${ref} was at commits that no gate was green on: ${unchecked.join(' ')}`)
  }
  const merges = yard.git('log', '--merges', '--format=%H %P %(trailers:key=Ov-Task,valueonly,separator=%x20)', 'main')
  const byTask = Map.groupBy(
    merges.split('\n').filter((line) => line.split(' ').length === 4),
    (line) => line.split(' ')[3],
  )
  for (const row of rows) {
    const found = byTask.get(row?.task_id ?? '') ?? []
    const times = row?.state === 'merged' ? 1 : 0
    if (found.length !== times) problem(`${row?.branch} is ${row?.state}, and ${found.length} times on main`)
    else if (times === 1 && found[0]?.split(' ')[2] !== row?.head_sha)
      problem(`${row?.branch} was merged at another commit`)
  }
}
