import { HUMAN, SYSTEM } from '../contract/mail.ts'
import { inspectDatabase } from '../db/repair.ts'
import type { Breach, Invariant } from './invariant.ts'
import { brokenReferences } from './store.ts'

/** Asked before anything is read from it. */
export const DATABASE_WHOLE: Pick<Invariant, 'name' | 'promise'> = {
  name: 'database-whole',
  promise: 'The database can be read through, and its indexes agree with its tables.',
}

/** What is wrong with the file itself; null when nothing is. */
export function damageOf(path: string): Breach | null {
  const health = inspectDatabase(path, { wholly: true })
  return health.is === 'corrupt' ? { what: `${path} is damaged: ${health.detail}`, hint: 'ov doctor --fix' } : null
}

export const DATABASE_INVARIANTS: readonly Invariant[] = [
  {
    name: 'references',
    promise: 'Nothing in the database refers to what is not there.',
    async check({ project, rows, agents }) {
      const hint = 'ov doctor'
      const runs = new Set(rows.runs.map(({ id }) => id))
      const isKnown = (id: string) => id === HUMAN || id === SYSTEM || agents.has(id)
      const parties = new Set(rows.mail.flatMap(({ sender, reader }) => [sender, reader]))
      return [
        ...(await brokenReferences(project)).map(({ table, parent }) => {
          return { what: `A row of ${table} refers to one of ${parent} that is not there.`, hint }
        }),
        ...rows.merges
          .filter(({ run_id: run }) => !runs.has(run))
          .map(({ branch }) => ({ what: `The merge of ${branch} belongs to no run.`, hint })),
        ...[...parties]
          .filter((id) => !isKnown(id))
          .map((id) => ({ what: `There is mail of or for ${id}, whom nobody knows.`, hint })),
      ]
    },
  },
]
