import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../errors.ts'
import { openProject, type Project } from '../project.ts'
import { checkDatabase } from './checks/database.ts'
import { checkBranch, checkConfig, checkGates } from './checks/intent.ts'
import { checkAgents, checkLeftovers } from './checks/leftovers.ts'
import { checkLimits } from './checks/limits.ts'
import { checkMode } from './checks/mode.ts'
import { checkDisk, checkSocketFolder, checkStateFolder, checkWorktreeFolder } from './checks/places.ts'
import { checkRuntimes } from './checks/runtimes.ts'
import { checkGit, checkNode, checkTmux } from './checks/tools.ts'
import { type Check, type Found, foundError, type Issue, issueOf } from './diagnosis.ts'
import { examine, type Subject } from './subject.ts'

export interface Diagnosis {
  /** Nothing stands in the way of `ov sling`. */
  readonly ready: boolean
  readonly issues: readonly Issue[]
  readonly checks: readonly {
    readonly name: string
    readonly status: Issue['severity'] | 'ok'
    readonly summary: string
  }[]
  /** What `--fix` did, in words. */
  readonly fixed: readonly string[]
}

/** No single check may keep the others waiting. */
const CHECK_TIMEOUT_MS = 1_700
/** Mending one thing can bring the next to light (a new database, then its agents); it ends all the same. */
const MAX_ROUNDS = 3

/** Looks at everything `ov` stands on, side by side, and changes nothing. */
export async function diagnose(cwd: string): Promise<Diagnosis> {
  return diagnosisOf(await lookAround(cwd), [], [])
}

/** Mends what can be mended without losing a commit or mail, and looks again. */
export async function diagnoseAndFix(cwd: string): Promise<Diagnosis> {
  const fixed: string[] = []
  const failed = new Map<string, Found>()
  for (let round = 0; ; round++) {
    const checks = await lookAround(cwd, async (found) => {
      if (round >= MAX_ROUNDS) return
      for (const issue of found) {
        if (issue.fix === undefined || failed.has(issue.code)) continue
        try {
          fixed.push(await issue.fix())
        } catch (error) {
          const why = foundError(error)
          failed.set(issue.code, {
            ...why,
            severity: issue.severity,
            message: `${issue.code} could not be fixed. ${error instanceof Error ? messageOf(error) : why.message}`,
          })
        }
      }
    })
    const left = checks.some((check) => check.found.some((issue) => issue.fix && !failed.has(issue.code)))
    if (!left || round >= MAX_ROUNDS) return diagnosisOf(checks, fixed, [...failed.values()])
  }
}

/** One round of all checks; `mend` gets what was found while the project is still open. */
async function lookAround(cwd: string, mend: (found: readonly Found[]) => Promise<void> = async () => undefined) {
  const subject = await examine(cwd)
  const { place, config } = subject
  const { project, openError } = await openIfSound(subject)
  try {
    const checks = await Promise.all([
      within('git', checkGit()),
      within('tmux', checkTmux()),
      within('node', checkNode()),
      withinAll('runtimes', checkRuntimes(config, subject.roles)),
      ...(place === null
        ? [{ name: 'project', summary: 'none', found: [foundError(subject.placeError)] }]
        : [
            within('state', checkStateFolder(place)),
            within('sockets', checkSocketFolder(place)),
            ...(place.initialised ? [within('database', checkDatabase(place))] : []),
            within('disk', checkDisk(place, config.worktrees.baseDir)),
            within('worktrees', checkWorktreeFolder(place, config.worktrees.baseDir)),
            within('config', checkConfig(cwd)),
            within('branch', checkBranch(place, config)),
            within('gates', checkGates(place, config)),
          ]),
      ...(project === null
        ? []
        : [
            within('agents', checkAgents(project)),
            within('limits', checkLimits(project)),
            within('mode', checkMode(project)),
            within('leftovers', checkLeftovers(project)),
          ]),
    ])
    const all = checks.flat()
    const said = new Set(all.flatMap((check) => check.found.map((issue) => issue.code)))
    if (openError !== null && !said.has(openError.code))
      all.push({ name: 'project', summary: 'cannot be opened', found: [openError] })
    await mend(all.flatMap((check) => check.found))
    return all
  } finally {
    await project?.close()
  }
}

/** Opening upgrades an old database, so only a project whose database is sound and current is opened. */
async function openIfSound({
  place,
  cwd,
  configValid,
}: Subject): Promise<{ project: Project | null; openError: Found | null }> {
  if (place?.database.is !== 'good' || !configValid) return { project: null, openError: null }
  try {
    return { project: await openProject(cwd), openError: null }
  } catch (error) {
    return { project: null, openError: foundError(error) }
  }
}

function within(name: string, work: Promise<Check>): Promise<Check> {
  return withinAll(
    name,
    work.then((check) => [check]),
  ).then(([check]) => check ?? { name, summary: '', found: [] })
}

/** A check that fails or takes too long is an issue itself, and the others are told all the same. */
async function withinAll(name: string, work: Promise<Check[]>): Promise<Check[]> {
  const late: Found = {
    severity: 'warning',
    code: 'doctor.timeout',
    message: `The check of ${name} did not end in time.`,
    hint: 'Run it again: ov doctor',
  }
  const timer = new AbortController()
  try {
    return await Promise.race([
      work,
      delay(CHECK_TIMEOUT_MS, [{ name, summary: 'not known', found: [late] }], { signal: timer.signal, ref: false }),
    ])
  } catch (error) {
    return [{ name, summary: 'not known', found: [foundError(error)] }]
  } finally {
    timer.abort()
  }
}

function diagnosisOf(checks: readonly Check[], fixed: readonly string[], more: readonly Found[]): Diagnosis {
  const found = [...checks.flatMap((check) => check.found), ...more]
  return {
    ready: !found.some((issue) => issue.severity === 'error'),
    issues: found.map(issueOf).sort((a, b) => rank(a.severity) - rank(b.severity)),
    checks: checks.map(({ name, summary, found: issues }) => ({ name, summary, status: worst(issues) })),
    fixed,
  }
}

function rank(severity: Issue['severity'] | 'ok'): number {
  return ['error', 'warning', 'info', 'ok'].indexOf(severity)
}

function worst(issues: readonly Found[]): Issue['severity'] | 'ok' {
  return issues.map((issue) => issue.severity).sort((a, b) => rank(a) - rank(b))[0] ?? 'ok'
}
