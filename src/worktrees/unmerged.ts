import type { Project } from '../project.ts'

/** A branch of an agent's, and how many of its commits are in neither of the `merged` refs. */
export interface BranchFacts {
  readonly head: string
  readonly unmerged: number
}

/**
 * The branches below a prefix (`ov/run-1`), by name. Two calls of git, however many branches there are.
 *
 * @param merged refs that need not all exist
 */
export async function unmergedBranches(
  project: Pick<Project, 'git'>,
  prefix: string,
  merged: readonly string[],
): Promise<Map<string, BranchFacts>> {
  const refs = await project.git.raw(
    'for-each-ref',
    '--format=%(objectname) %(refname)',
    `refs/heads/${prefix}/`,
    ...merged,
  )
  const found = lines(refs).map(([sha = '', ref = '']) => [sha, ref] as const)
  const existing = found.map(([, ref]) => ref).filter((ref) => merged.includes(ref))
  const branches = found.filter(([, ref]) => !merged.includes(ref))
  if (branches.length === 0) return new Map()
  const text = await project.git.raw('rev-list', '--parents', `--branches=${prefix}/*`, '--not', ...existing)
  const parents = new Map(lines(text).map(([sha = '', ...line]) => [sha, line]))
  return new Map(
    branches.map(([head, ref]) => [ref.replace(/^refs\/heads\//, ''), { head, unmerged: countFrom(head, parents) }]),
  )
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
