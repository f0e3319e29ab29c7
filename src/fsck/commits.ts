import { join } from 'node:path'
import { isOpen } from '../agents/store.ts'
import { readText } from '../os/files.ts'
import { type Git, GitFailure } from '../os/git.ts'
import { adminDirOf, commonDirAt } from '../os/git-folder.ts'
import { worktreePath } from '../worktrees/prepare.ts'
import { type Breach, hasLivingOwner, type Invariant, type Look } from './invariant.ts'
import { refsUnder, unreached } from './reach.ts'

/** A commit has a ref of its own within this time, in ms, while its agent's runner lives. */
const KEPT_WITHIN_MS = 6_000

/** That no commit of an agent's can be lost. */
export const COMMIT_INVARIANTS: readonly Invariant[] = [
  {
    name: 'refs-whole',
    promise: 'Every ref of the fleet leads to a commit with all that belongs to it.',
    async check({ project, branch }) {
      const own = ['refs/ov', 'refs/heads/ov', ...(branch === null ? [] : [`refs/heads/${branch}`])]
      const listed = await refsUnder(project.git, own)
      const files = own.flatMap((prefix) => project.git.refs?.under(prefix) ?? [])
      const broken = files.filter((ref) => !listed.has(ref))
      const lost = await lostBehind(project.git, [...listed.values()], branch)
      const misnamed = [...listed].filter(([ref, sha]) => ref.startsWith('refs/ov/keep/') && !ref.endsWith(`/${sha}`))
      return [
        ...broken.map((ref) => ({ what: `The ref ${ref} names no object.`, hint: `git reflog show ${ref}` })),
        ...(lost === null ? [] : [{ what: `Objects of the fleet's commits are missing: ${lost}`, hint: 'git fsck' }]),
        ...misnamed.map(([ref]) => ({ what: `${ref} keeps another commit than it says.`, hint: `git log ${ref}` })),
      ]
    },
  },
  {
    name: 'commits-reachable',
    promise: 'Every commit that an agent made is reachable by a ref.',
    async check(look) {
      const made = commitsMade(look)
      const lost = await unreached(
        look.project.git,
        [...made.keys()],
        new Set((await refsUnder(look.project.git)).values()),
      )
      return lost.map((sha) => ({
        what: `Commit ${sha.slice(0, 12)} of ${made.get(sha)} is reachable by no ref.`,
        hint: `Keep it: git branch rescued-${sha.slice(0, 8)} ${sha.slice(0, 12)}`,
      }))
    },
  },
  {
    name: 'branches-owned',
    promise: 'Every branch below ov/ is an agent’s, and that of an agent that has worked is there.',
    async check({ project, rows }) {
      const refs = await refsUnder(project.git, ['refs/heads/ov'])
      const known = new Set(rows.agents.map(({ branch }) => `refs/heads/${branch}`))
      const strays = [...refs.keys()].filter((ref) => !known.has(ref)).map((ref) => ref.slice('refs/heads/'.length))
      const missing = rows.agents.filter(
        (agent) => isOpen(agent) && agent.turns > 0 && !refs.has(`refs/heads/${agent.branch}`),
      )
      return [
        ...strays.map((branch) => ({ what: `The branch ${branch} belongs to no agent.`, hint: `git log ${branch}` })),
        ...missing.map(({ name, branch }): Breach => {
          return { what: `The branch ${branch} of ${name} is gone.`, hint: `git for-each-ref refs/ov/keep` }
        }),
      ]
    },
  },
]

/** What git says when an object is missing behind one of these; null when none is. The branch itself is taken as whole. */
async function lostBehind(git: Git, shas: readonly string[], branch: string | null): Promise<string | null> {
  try {
    const wanted = [...new Set(shas)].map((sha) => `${sha}\n`).join('')
    const beyond = branch === null ? [] : ['--not', `refs/heads/${branch}`]
    if (wanted !== '') await git.feed(wanted, 'rev-list', '--objects', '--quiet', '--stdin', ...beyond)
    if (branch !== null) await git.raw('rev-list', '--objects', '--quiet', '--max-count=1', `refs/heads/${branch}`)
    return null
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error
    return error.message.split('\n')[0] ?? ''
  }
}

/** Commits that agents are known to have made, and whose each is: what they claimed, and where their worktrees have been. */
function commitsMade({ project, rows, agents }: Look): Map<string, string> {
  const made = new Map<string, string>()
  for (const { head_sha: head, branch } of rows.merges) made.set(head, branch)
  const common = commonDirAt(project.root)
  const young = Date.now() - KEPT_WITHIN_MS
  for (const agent of agents.values()) {
    const admin = adminDirOf(worktreePath(project, agent.worktree), common)
    const isKept = isOpen(agent) && hasLivingOwner(agent)
    for (const { sha, at } of admin === null ? [] : headLog(admin)) {
      if (isKept && at > young) continue
      made.set(sha, agent.name)
    }
  }
  return made
}

/** Where HEAD of a worktree has been: commits, and when it came there, ms since the epoch. */
function headLog(admin: string): { sha: string; at: number }[] {
  const lines = (readText(join(admin, 'logs', 'HEAD'), 16 * 1024 * 1024) ?? '').split('\n')
  return lines.flatMap((line) => {
    const [, sha = '', at = ''] = /^[0-9a-f]+ ([0-9a-f]+) .*> (\d+) [+-]\d{4}/.exec(line) ?? []
    return sha === '' || /^0+$/.test(sha) ? [] : [{ sha, at: Number(at) * 1000 }]
  })
}
