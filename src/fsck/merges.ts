import { TRAIN_LEASE } from '../merge/store.ts'
import { trainRef } from '../merge/track.ts'
import { isAncestor } from '../os/git.ts'
import { type Breach, hasLivingOwner, type Invariant, type Look } from './invariant.ts'
import { refsUnder, unreached } from './reach.ts'

/** What the merge train has done, held against the refs. */
export const MERGE_INVARIANTS: readonly Invariant[] = [
  {
    name: 'merges-settled',
    promise: 'A merge under way has a live train; what was swapped in is recorded as merged.',
    async check(look) {
      const train = look.rows.leases.find(({ resource }) => resource === TRAIN_LEASE)
      if (train !== undefined && train.expires_at !== null && hasLivingOwner(train)) return []
      const intended = look.rows.merges.flatMap(({ state, intended_as: sha }) =>
        state === 'merged' ? [] : (sha ?? []),
      )
      const beyond = await beyondBranch(look, intended)
      return look.rows.merges.flatMap(({ branch, state, intended_as: sha }): Breach[] => {
        if (state !== 'merged' && sha !== null && !beyond.has(sha))
          return [
            { what: `${branch} was merged as ${sha.slice(0, 12)}, but is recorded as ${state}.`, hint: 'ov merge' },
          ]
        if (state !== 'merging') return []
        return [{ what: `The merge of ${branch} was left in the middle.`, hint: 'ov merge' }]
      })
    },
  },
  {
    name: 'merged-is-on-branch',
    promise: 'Every commit that is recorded as merged is on the canonical branch, or waits to land on it.',
    async check(look) {
      if (look.branch === null) return []
      const breaches: Breach[] = []
      const merges = look.rows.merges.flatMap(({ branch, merged_as: merged }) =>
        merged === null ? [] : [{ branch, merged }],
      )
      const beyond = await beyondBranch(
        look,
        merges.map(({ merged }) => merged),
      )
      for (const { branch, merged } of merges) {
        if (!beyond.has(merged) || (await isTakenBack(look, merged))) continue
        const what = `${branch} was merged as ${merged.slice(0, 12)}, which is not on ${look.branch}.`
        breaches.push({ what, hint: `If it was not taken back on purpose: git merge ${merged.slice(0, 12)}` })
      }
      return breaches
    },
  },
  {
    name: 'train-is-green',
    promise: 'What the train last merged with gates is what its gates were green on.',
    check({ rows }) {
      const gated = new Set(
        rows.events
          .filter(({ type }) => type === 'merge.merged')
          .map(({ data_json: data }) => JSON.parse(data) as { commit: string; gates?: string[] })
          .flatMap(({ commit, gates }) => (gates?.length ? [commit] : [])),
      )
      return rows.trains.flatMap(({ branch, tip_sha: tip, green_sha: green }): Breach[] => {
        if (tip === null || !gated.has(tip) || green === tip) return []
        return [
          { what: `The train of ${branch} is at ${tip.slice(0, 12)}, on which no gate was green.`, hint: 'ov merge' },
        ]
      })
    },
  },
  {
    name: 'landings-settled',
    promise: 'A checkout is brought along wholly or not at all.',
    check: ({ rows }) =>
      rows.landings
        .filter((landing) => !hasLivingOwner(landing))
        .map(({ checkout, to_sha: to }) => ({
          what: `The landing of ${to.slice(0, 12)} in ${checkout === '.' ? 'the checkout' : checkout} was left in the middle.`,
          hint: 'ov land',
        })),
  },
]

/** Those of these commits that are neither on the canonical branch nor on what waits to land on it. */
async function beyondBranch({ project, branch }: Look, commits: readonly string[]): Promise<Set<string>> {
  if (branch === null) return new Set(commits)
  const refs = await refsUnder(project.git, [`refs/heads/${branch}`, trainRef(branch)])
  return new Set(await unreached(project.git, commits, new Set(refs.values())))
}

/** Whether the log of the branch shows that somebody other than `ov` moved it away from a commit. */
async function isTakenBack({ project, branch }: Look, commit: string): Promise<boolean> {
  const log = (await project.git.raw('reflog', 'show', '--format=%H %gs', `refs/heads/${branch}`, '--')).split('\n')
  const moves = log.flatMap((line) => {
    const [to = '', ...by] = line.split(' ')
    return to === '' ? [] : [{ to, by: by.join(' ') }]
  })
  for (const [at, { to, by }] of moves.entries()) {
    const before = moves[at + 1]?.to
    if (before === undefined || by.startsWith('ov: ')) continue
    if ((await isAncestor(project.git, commit, before)) && !(await isAncestor(project.git, commit, to))) return true
  }
  return false
}
