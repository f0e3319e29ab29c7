import { CONFIG_FILE } from '../../config/files.ts'
import { invalidConfig, type Problem, sayProblem } from '../../config/problem.ts'
import type { Config } from '../../config/schema.ts'
import { validateConfig } from '../../config/validate.ts'
import { oneLine } from '../../mail/frame.ts'
import { resolveGates } from '../../merge/gates.ts'
import { findProgram } from '../../os/files.ts'
import { currentBranch, type Git, ignoredAmong } from '../../os/git.ts'
import { canonicalBranch } from '../../project.ts'
import { type Detected, detectProject } from '../detect.ts'
import { type Check, type Found, foundError } from '../diagnosis.ts'
import type { Place } from '../subject.ts'

/** What has a check of its own here is not said twice. */
const SAID_ELSEWHERE = /^(project\.(qualityGates|canonicalBranch)|runtime\.(default|capabilities))\b/

/** All configuration there is: files, variables, the agent manifest. */
export async function checkConfig(cwd: string): Promise<Check> {
  const { valid, sources, problems, warnings } = await validateConfig(cwd)
  const about = (problem: Problem): Found => ({
    severity: 'warning',
    code: 'config.doubtful',
    message: sayProblem(problem),
    hint: 'See where each value comes from: ov config explain',
  })
  return {
    name: 'config',
    summary: valid ? (sources.length === 0 ? 'all defaults' : sources.join(', ')) : 'not valid',
    found: [
      ...(valid ? [] : [foundError(invalidConfig(problems))]),
      ...warnings.filter((warning) => !SAID_ELSEWHERE.test(warning.key ?? '')).map(about),
    ],
  }
}

export async function checkBranch(place: Place, config: Config): Promise<Check> {
  try {
    return { name: 'branch', summary: await canonicalBranch({ git: place.git, config }), found: [] }
  } catch (error) {
    return { name: 'branch', summary: 'none', found: [foundError(error)] }
  }
}

/** Gates are resolved in the commit that is checked; the human's checkout is the best guess at it. */
export async function checkGates(place: Place, config: Config): Promise<Check> {
  const name = 'gates'
  const wanted = config.project.qualityGates
  if (wanted.length === 0) {
    return {
      name,
      summary: 'none',
      found: [
        {
          severity: 'warning',
          code: 'gate.none',
          message: 'There are no quality gates, so whatever an agent commits is merged.',
          hint: `Name what must pass in ${CONFIG_FILE}: project: { qualityGates: [{ name: tests-pass, command: "…" }] }`,
        },
      ],
    }
  }
  const names = wanted.map((gate) => (typeof gate === 'string' ? gate : gate.name)).join(', ')
  if (place.bare) return { name, summary: names, found: [] }
  const detected = detectProject(place.root)
  const open = unresolvedGates(config, place.root)
  const found: Found[] = open.map((gate) => unresolved(gate))
  if (found.length > 0 && !(await onCanonicalBranch(place, config))) {
    // Another branch is checked out, which may lack what the canonical one has.
    for (const [index, issue] of found.entries()) found[index] = { ...issue, severity: 'warning' }
  }
  if (wanted.some((gate) => typeof gate === 'string')) {
    for (const program of detected.programs) {
      if (findProgram(program) !== null) continue
      found.push({
        severity: 'warning',
        code: 'gate.program-missing',
        message: `${program} is not installed, so the checks found in ${detected.evidence} can't pass here.`,
        hint: `Install ${program}, or give the gate a command in ${CONFIG_FILE}.`,
      })
    }
  }
  for (const folder of await unignored(place.git, detected)) {
    found.push({
      severity: 'warning',
      code: 'project.not-ignored',
      message: `${folder} is not ignored by git, so it could end up in an agent's commit.`,
      hint: `echo '${folder}/' >> .gitignore && git add .gitignore && git commit -m "Ignore ${folder}"`,
    })
  }
  for (const note of detected.notes) found.push({ severity: 'info', code: 'project.note', message: note, hint: null })
  return { name, summary: names, found }
}

/** Folders that set-up or checks make although git does not ignore them: an agent's commit could take them along. */
export async function unignored(git: Git, detected: Detected): Promise<string[]> {
  // Asked for a file inside: a pattern for folders does not match a folder that is not there yet.
  const ignored = await ignoredAmong(
    git,
    detected.artefacts.map((folder) => `${folder}/x`),
  )
  return detected.artefacts.filter((folder) => !ignored.includes(`${folder}/x`))
}

/** Names of gates that resolve to no command in a folder. */
export function unresolvedGates(config: Config, folder: string): string[] {
  return resolveGates(config, folder)
    .filter((gate) => gate.command === null)
    .map((gate) => gate.name)
}

/** True when the folder shows what the next commit builds on. */
export async function onCanonicalBranch(place: Pick<Place, 'git'>, config: Config): Promise<boolean> {
  try {
    return (await currentBranch(place.git)) === (await canonicalBranch({ git: place.git, config }))
  } catch {
    // There is no such branch: said by its own check.
    return false
  }
}

function unresolved(gate: string): Found {
  return {
    severity: 'error',
    code: 'gate.unresolved',
    message: `The gate "${oneLine(gate, 60)}" resolves to no command of this project, so no commit could pass it.`,
    hint: gateHint(gate),
  }
}

export function gateHint(gate: string): string {
  return `Give it a command in ${CONFIG_FILE}: { name: ${oneLine(gate, 60)}, command: "…" }, or take it out`
}
