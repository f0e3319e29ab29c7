import { existsSync } from 'node:fs'
import { type Git, GitFailure, gitAt } from '../os/git.ts'
import type { Project } from '../project.ts'

/** Where the refs of an agent's commits live. */
export function keepPrefix(agentId: string): string {
  return `refs/ov/keep/${agentId}/`
}

/**
 * Keeps every commit an agent made reachable, those it has amended or reset away included: its worktree's reflog
 * names them all, and each that no other reaches gets a ref. Call it often, and before any clean-up.
 */
export async function keepCommits(
  project: Project,
  agentId: string,
  worktree: string,
  base: string | null,
): Promise<string[]> {
  return existsSync(worktree) ? keepLogged(project, agentId, gitAt(worktree), base) : []
}

/** The same for a worktree whose folder is gone: git's own record of it (`record`) still has the reflog. */
export function keepFromRecord(
  project: Project,
  agentId: string,
  record: string,
  base: string | null,
): Promise<string[]> {
  return keepLogged(project, agentId, gitAt(record), base)
}

async function keepLogged(project: Project, agentId: string, git: Git, base: string | null): Promise<string[]> {
  const log = await git.raw('log', '--walk-reflogs', '--format=%H', 'HEAD')
  const shas = [...new Set(log.split('\n').filter((sha) => sha !== '' && sha !== base))]
  if (shas.length === 0) return []
  const tips = await independent(project, shas)
  const prefix = keepPrefix(agentId)
  const kept = new Set(
    (await project.git.raw('for-each-ref', '--format=%(refname)', prefix)).split('\n').filter(Boolean),
  )
  for (const sha of tips) if (!kept.has(prefix + sha)) await project.git.raw('update-ref', prefix + sha, sha)
  // A ref whose commit another kept one reaches by now is no longer needed.
  for (const ref of kept)
    if (!tips.includes(ref.slice(prefix.length)) && shas.includes(ref.slice(prefix.length)))
      await project.git.raw('update-ref', '-d', ref)
  return tips
}

async function independent(project: Project, shas: readonly string[]): Promise<string[]> {
  if (shas.length === 1) return [...shas]
  try {
    return (await project.git.raw('merge-base', '--independent', ...shas)).split('\n').filter(Boolean)
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error
    // An entry of the reflog may name a commit that is gone already; keep each one that is there.
    const found: string[] = []
    for (const sha of shas) {
      try {
        await project.git.raw('cat-file', '-e', `${sha}^{commit}`)
        found.push(sha)
      } catch (missing) {
        if (!(missing instanceof GitFailure)) throw missing
      }
    }
    return found
  }
}
