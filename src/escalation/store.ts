import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { standingQuery } from '../db/standing.ts'
import { newId } from '../ids.ts'
import type { TroubleKind } from '../watchdog/trouble.ts'

export type Escalation = Schema['escalations']

export interface NewEscalation {
  readonly agentId: string
  readonly fence: number
  /** `state_since` of its row when it was put: another one now is another state, whatever the clock was set to. */
  readonly stateSince: number
  readonly about: TroubleKind
  readonly seen: string
  readonly tried: readonly string[]
  readonly why: string
  readonly options: readonly string[]
}

/** To whom it was put, by which mail, and when: wall clock ms, and monotonic ms of which boot. */
export interface Put {
  readonly reader: string
  readonly question: string
  readonly at: number
  readonly mono: number
  readonly boot: string
}

/** Writes an escalation whose first mail was just sent; that mail's id is its thread. */
export async function insertEscalation(tx: Db, escalation: NewEscalation, put: Put): Promise<Escalation> {
  const row: Escalation = {
    id: newId(),
    agent_id: escalation.agentId,
    fence: escalation.fence,
    state_since: escalation.stateSince,
    about: escalation.about,
    seen: escalation.seen,
    tried_json: JSON.stringify(escalation.tried),
    why: escalation.why,
    options_json: JSON.stringify(escalation.options),
    thread: put.question,
    question: put.question,
    reader: put.reader,
    asked_at: put.at,
    asked_mono: put.mono,
    asked_boot: put.boot,
    state: 'open',
    answer: null,
    answered_by: null,
    created_at: put.at,
    updated_at: put.at,
  }
  await tx.insertInto('escalations').values(row).execute()
  return row
}

/** The open escalation of one owner of an agent about one kind of trouble. */
export function openEscalation(
  db: Db,
  { agent, fence, about }: { agent: string; fence: number; about: TroubleKind },
): Promise<Escalation | undefined> {
  return db
    .selectFrom('escalations')
    .selectAll()
    .where('agent_id', '=', agent)
    .where('fence', '=', fence)
    .where('about', '=', about)
    .where('state', '=', 'open')
    .executeTakeFirst()
}

/** Whether somebody is asked about an agent just now. */
export async function isEscalated(db: Db, agent: string): Promise<boolean> {
  const row = await db
    .selectFrom('escalations')
    .select('id')
    .where('agent_id', '=', agent)
    .where('state', '=', 'open')
    .executeTakeFirst()
  return row !== undefined
}

/** Those that wait for an answer, or whose answer is not carried out yet, oldest first. */
export const pendingEscalations: (db: Db) => Promise<Escalation[]> = standingQuery((db) =>
  db
    .selectFrom('escalations')
    .selectAll()
    .where('state', 'in', ['open', 'answered'])
    .orderBy('created_at')
    .orderBy('id'),
)

/** The escalation that a mail of this thread is about. */
export function escalationOfThread(db: Db, thread: string): Promise<Escalation | undefined> {
  return db.selectFrom('escalations').selectAll().where('thread', '=', thread).executeTakeFirst()
}

/** The newest escalation about an agent, whatever became of it. */
export function lastEscalation(db: Db, agent: string): Promise<Escalation | undefined> {
  return db
    .selectFrom('escalations')
    .selectAll()
    .where('agent_id', '=', agent)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** What changes of an escalation. */
type Change = Partial<
  Pick<
    Escalation,
    'state' | 'answer' | 'answered_by' | 'question' | 'reader' | 'asked_at' | 'asked_mono' | 'asked_boot'
  >
>

/** Changes an escalation that is in this state and with this reader still. False: it is not. */
export async function changeEscalation(
  tx: Db,
  escalation: Pick<Escalation, 'id' | 'state' | 'question'>,
  change: Change,
  now: number,
): Promise<boolean> {
  const result = await tx
    .updateTable('escalations')
    .set({ ...change, updated_at: now })
    .where('id', '=', escalation.id)
    .where('state', '=', escalation.state)
    .where('question', '=', escalation.question)
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}
