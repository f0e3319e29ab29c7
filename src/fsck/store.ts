import { sql } from 'kysely'
import type { Schema } from '../db/schema.ts'
import type { Project } from '../project.ts'

/** What of a mail an invariant is about; its words are none of that. */
export type MailFacts = Pick<
  Schema['mail'],
  'id' | 'sender' | 'reader' | 'type' | 'priority_rank' | 'thread_id' | 'offer_id' | 'delivered_at' | 'bounced_at'
> & { readonly seq: number }

/** The database as it was at one moment. */
export interface Rows {
  readonly runs: readonly Schema['runs'][]
  readonly tasks: readonly Schema['tasks'][]
  readonly agents: readonly Schema['agents'][]
  readonly leases: readonly Schema['leases'][]
  /** In the order of sending. */
  readonly mail: readonly MailFacts[]
  readonly merges: readonly Schema['merges'][]
  readonly trains: readonly Schema['trains'][]
  /** Those under way. */
  readonly landings: readonly Schema['landings'][]
  readonly pool: readonly Schema['pool'][]
  /** What was recorded of each merge, and of each delivery of mail, oldest first. */
  readonly events: readonly { readonly type: string; readonly agent_id: string | null; readonly data_json: string }[]
  /** Agents of which calls of hooks are remembered. */
  readonly hookAgents: readonly string[]
}

const TOLD = ['merge.merged', 'mail.delivered', 'mail.picked']

/** Reads all tables in one transaction that takes no lock: what belongs together is seen together. */
export function readRows({ db }: Pick<Project, 'db'>): Promise<Rows> {
  return db.connection().execute(async (one) => {
    await sql`BEGIN`.execute(one)
    try {
      return {
        runs: await one.selectFrom('runs').selectAll().execute(),
        tasks: await one.selectFrom('tasks').selectAll().orderBy('id').execute(),
        agents: await one.selectFrom('agents').selectAll().orderBy('id').execute(),
        leases: await one.selectFrom('leases').selectAll().orderBy('resource').execute(),
        mail: await one
          .selectFrom('mail')
          .select(['id', 'seq', 'sender', 'reader', 'type', 'priority_rank', 'thread_id', 'offer_id'])
          .select(['delivered_at', 'bounced_at'])
          .orderBy('seq')
          .execute(),
        merges: await one.selectFrom('merges').selectAll().orderBy('id').execute(),
        trains: await one.selectFrom('trains').selectAll().orderBy('branch').execute(),
        landings: await one.selectFrom('landings').selectAll().where('state', '=', 'landing').execute(),
        pool: await one.selectFrom('pool').selectAll().orderBy('id').execute(),
        events: await one
          .selectFrom('events')
          .select(['type', 'agent_id', 'data_json'])
          .where('type', 'in', TOLD)
          .orderBy('id')
          .execute(),
        hookAgents: (await one.selectFrom('hook_calls').select('agent_id').distinct().execute()).map(
          ({ agent_id: id }) => id,
        ),
      }
    } finally {
      await sql`COMMIT`.execute(one)
    }
  })
}

/** Rows that refer to a row that is not there, by the database's own rules: the table of each and what it misses. */
export async function brokenReferences({ db }: Pick<Project, 'db'>): Promise<{ table: string; parent: string }[]> {
  const { rows } = await sql<{ table: string; parent: string }>`PRAGMA foreign_key_check`.execute(db)
  return rows
}
