import { OvError } from '../errors.ts'
import { isWritable } from '../os/files.ts'
import { rememberedGitVersion } from '../os/git.ts'
import { canonicalBranch, type Project } from '../project.ts'
import { gateHint, onCanonicalBranch, unresolvedGates } from './checks/intent.ts'
import { requireShort } from './checks/places.ts'
import { requireGit } from './checks/tools.ts'

/**
 * The part of preflight without which a task could only fail: git, a place for state, a branch to build on, gates
 * that can pass. Gates are looked up in the checkout, when that shows the branch the agent will build on.
 *
 * @throws {OvError} `git.missing`, `git.too-old`, `state.read-only`, `project.no-branch`, `project.no-commits`, `gate.unresolved`, `sockets.path-too-long`
 */
export async function preflightSling(project: Project): Promise<void> {
  if (!isWritable(project.stateDir)) {
    throw new OvError('failed', 'state.read-only', `${project.stateDir} can't be written to.`, {
      hint: 'ov doctor',
    })
  }
  requireShort(project.socketDir)
  await Promise.all([requireGit(rememberedGitVersion), canonicalBranch(project)])
  if (project.bare) return
  const [gate] = unresolvedGates(project.config, project.root)
  if (gate === undefined || !(await onCanonicalBranch(project, project.config))) return
  throw new OvError(
    'user',
    'gate.unresolved',
    `The gate "${gate}" resolves to no command of this project, so no commit could pass it.`,
    { hint: gateHint(gate) },
  )
}
