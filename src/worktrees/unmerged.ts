import type { Git } from '../os/git.ts'
import type { Project } from '../project.ts'

/** A branch of an agent's, and how many of its commits are in neither of the `merged` refs. */
export interface BranchFacts {
  readonly head: string
  readonly unmerged: number
}

/**
 * The branches below a prefix (`ov/run-1`), by name. One call of git, however many branches there are; none while nothing waits.
 *
 * @param merged refs that need not all exist
 */
export async function unmergedBranches(
  project: Pick<Project, 'git'>,
  prefix: string,
  merged: readonly string[],
): Promise<Map<string, BranchFacts>> {
  const found = plainRefs(project.git, prefix, merged) ?? (await askForRefs(project.git, prefix, merged))
  const existing = found.filter(([, ref]) => merged.includes(ref))
  const branches = found.filter(([, ref]) => !merged.includes(ref))
  if (branches.every(([head]) => existing.some(([sha]) => sha === head)))
    return new Map(branches.map(([head, ref]) => [ref.replace(/^refs\/heads\//, ''), { head, unmerged: 0 }]))
  const names = existing.map(([, ref]) => ref)
  const text = await project.git.raw('rev-list', '--parents', `--branches=${prefix}/*`, '--not', ...names)
  const parents = new Map(lines(text).map(([sha = '', ...line]) => [sha, line]))
  return new Map(
    branches.map(([head, ref]) => [ref.replace(/^refs\/heads\//, ''), { head, unmerged: countFrom(head, parents) }]),
  )
}

type Named = readonly [sha: string, ref: string]

/** Read from git's files; null where git has to be asked. */
function plainRefs(git: Git, prefix: string, merged: readonly string[]): Named[] | null {
  const below = git.refs?.under(`refs/heads/${prefix}`)
  const all = below === undefined ? [] : [...below, ...merged].map((ref) => [git.refs?.read(ref), ref] as const)
  if (below === undefined || all.some(([sha]) => sha === undefined)) return null
  return all.flatMap(([sha, ref]): Named[] => (sha ? [[sha, ref]] : []))
}

async function askForRefs(git: Git, prefix: string, merged: readonly string[]): Promise<Named[]> {
  const format = '--format=%(objectname) %(refname)'
  const refs = await git.raw('for-each-ref', format, `refs/heads/${prefix}/`, ...merged)
  return lines(refs).map(([sha = '', ref = '']) => [sha, ref])
}

function lines(text: string): string[][] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(' '))
}

function countFrom(head: string, parents: ReadonlyMap<string, readonly string[]>): number {
  const seen = new Set<string>()
  const left = [head]
  for (let commit = left.pop(); commit !== undefined; commit = left.pop()) {
    if (seen.has(commit) || !parents.has(commit)) continue
    seen.add(commit)
    left.push(...(parents.get(commit) ?? []))
  }
  return seen.size
}
