import { setTimeout as delay } from 'node:timers/promises'
import { BROKER_VARIABLE } from '../broker/protocol.ts'
import { OvError } from '../errors.ts'
import { commitOf, listWorktrees } from '../os/git.ts'
import { allProcesses, environmentOf, type Stat } from '../os/process.ts'
import { AGENT_MARKER } from '../os/tree.ts'
import { guessCanonicalBranch, openProject, type Project } from '../project.ts'
import { AGENT_INVARIANTS } from './agents.ts'
import { COMMIT_INVARIANTS } from './commits.ts'
import { DATABASE_INVARIANTS, DATABASE_WHOLE, damageOf } from './database.ts'
import { type Breach, type Invariant, isAttended, type Look } from './invariant.ts'
import { MAIL_INVARIANTS } from './mail.ts'
import { MERGE_INVARIANTS } from './merges.ts'
import { PROCESS_INVARIANTS } from './processes.ts'
import { readRows } from './store.ts'
import { WORKTREE_INVARIANTS } from './worktrees.ts'

const INVARIANTS: readonly Invariant[] = [
  ...DATABASE_INVARIANTS,
  ...AGENT_INVARIANTS,
  ...MAIL_INVARIANTS,
  ...MERGE_INVARIANTS,
  ...COMMIT_INVARIANTS,
  ...WORKTREE_INVARIANTS,
  ...PROCESS_INVARIANTS,
]

/** Something that must be true and is not. */
export interface Problem extends Breach {
  /** Stable name of what is broken. */
  readonly invariant: string
}

export interface Soundness {
  /** Everything is as it must be. */
  readonly ok: boolean
  /** What was looked at, each with what must be true. */
  readonly checked: readonly { readonly invariant: string; readonly promise: string }[]
  readonly problems: readonly Problem[]
  /** How much of each there was to look at. */
  readonly counted: {
    readonly runs: number
    readonly tasks: number
    readonly agents: number
    readonly mail: number
    readonly merges: number
    readonly worktrees: number
  }
}

/** What is wrong at two looks so far apart, in ms, is no matter of two things having been read one after the other. */
const LOOK_AGAIN_MS = 400
/** While somebody is at work who mends what others leave, it is given so long, in ms. */
const PATIENCE_MS = 10_000

/**
 * Checks every invariant of a project. Reads only. What is merely in motion is no problem: what a live process owns, and
 * what is put right while one looks.
 *
 * @param cwd a folder in the project
 * @param options.onCheck told of each invariant once it was looked at: what is in doubt there; and before all that is in
 *   doubt is looked at again
 * @throws {OvError} what `openProject` throws, unless the database is damaged, and `fsck.interrupted`
 */
export async function checkSoundness(
  cwd: string,
  { onCheck = () => undefined, gone }: { onCheck?: (name: string | null, doubts: number) => void; gone: AbortSignal },
): Promise<Soundness> {
  const project = await openUnlessDamaged(cwd)
  if (!('db' in project)) return damaged(project)
  try {
    const damage = damageOf(project.databasePath)
    onCheck(DATABASE_WHOLE.name, damage === null ? 0 : 1)
    if (damage !== null) return damaged(damage)
    let look = await lookAround(project)
    let problems: Problem[] = []
    for (const invariant of INVARIANTS) {
      const found = await problemsOf(invariant, look)
      onCheck(invariant.name, found.length)
      problems.push(...found)
    }
    const until = performance.now() + (isAttended(look) ? PATIENCE_MS : 0)
    for (let again = 0; problems.length > 0 && (again === 0 || performance.now() < until); again++) {
      if (again === 0) onCheck(null, problems.length)
      await delay(LOOK_AGAIN_MS)
      if (gone.aborted) throw new OvError('interrupted', 'fsck.interrupted', 'Stopped. Nothing was changed.')
      look = await lookAround(project)
      problems = await stillBroken(problems, look)
    }
    return soundness(problems, look)
  } finally {
    await project.close()
  }
}

/** The project, or what is wrong with its database when it can't be opened for that. */
async function openUnlessDamaged(cwd: string): Promise<Project | Breach> {
  try {
    return await openProject(cwd, { toRead: true, evenMisconfigured: true })
  } catch (error) {
    if (!(error instanceof OvError) || error.code !== 'db.corrupt') throw error
    return { what: error.message, hint: 'ov doctor --fix' }
  }
}

async function lookAround(project: Project): Promise<Look> {
  const rows = await readRows(project)
  const processes = allProcesses()
  return {
    project,
    branch: await branchOf(project),
    rows,
    agents: new Map(rows.agents.map((agent) => [agent.id, agent])),
    trees: await listWorktrees(project.git),
    processes,
    marked: processes.flatMap((who) => markOf(who) ?? []),
  }
}

async function branchOf(project: Project): Promise<string | null> {
  const wanted = project.config.project.canonicalBranch
  if (wanted !== undefined) return (await commitOf(project.git, `refs/heads/${wanted}`)) === null ? null : wanted
  return guessCanonicalBranch(project.git)
}

function markOf(who: Stat): Look['marked'][number] | null {
  const environment = environmentOf(who.pid)
  const read = (name: string) => environment.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1) ?? null
  const agentId = read(AGENT_MARKER)
  return agentId === null ? null : { who, agentId, broker: read(BROKER_VARIABLE) }
}

async function problemsOf(invariant: Invariant, look: Look): Promise<Problem[]> {
  return (await invariant.check(look)).map(({ what, hint }) => ({ invariant: invariant.name, what, hint }))
}

/** Those of the problems that are there at this look too. */
async function stillBroken(problems: readonly Problem[], look: Look): Promise<Problem[]> {
  const doubtful = INVARIANTS.filter(({ name }) => problems.some(({ invariant }) => invariant === name))
  const now = (await Promise.all(doubtful.map((invariant) => problemsOf(invariant, look)))).flat()
  return problems.filter(({ invariant, what }) => now.some((one) => one.invariant === invariant && one.what === what))
}

function soundness(problems: readonly Problem[], { rows, trees }: Look): Soundness {
  const { runs, tasks, agents, mail, merges } = rows
  return {
    ok: problems.length === 0,
    checked: [DATABASE_WHOLE, ...INVARIANTS].map(({ name, promise }) => ({ invariant: name, promise })),
    problems,
    counted: {
      runs: runs.length,
      tasks: tasks.length,
      agents: agents.length,
      mail: mail.length,
      merges: merges.length,
      worktrees: trees.length - 1,
    },
  }
}

/** Nothing else can be asked of a damaged database. */
function damaged(breach: Breach): Soundness {
  const { name, promise } = DATABASE_WHOLE
  return {
    ok: false,
    checked: [{ invariant: name, promise }],
    problems: [{ invariant: name, ...breach }],
    counted: { runs: 0, tasks: 0, agents: 0, mail: 0, merges: 0, worktrees: 0 },
  }
}
