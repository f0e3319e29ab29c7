import { type Agent, openAgents } from '../agents/store.ts'
import type { Project } from '../project.ts'
import { accountName } from './account.ts'
import { momentOf } from './pass.ts'
import { type LimitCause, stateOfLimit } from './rules.ts'
import { limitIn, openLimits } from './store.ts'

/** What holds up an account just now. */
export interface LimitReport {
  readonly provider: string
  /** The login, without its secret. */
  readonly account: string
  /** The runtime whose agent met it. */
  readonly runtime: string
  readonly cause: LimitCause
  /** When it is asked again, ms since the epoch; null: when a person has logged in anew. */
  readonly until: number | null
  /** Nobody named that time. */
  readonly estimated: boolean
  readonly since: number
  /** How often in a row it was met when it should have been over. */
  readonly setbacks: number
  /** What the runtime said. */
  readonly said: string
  /** The agent that sees just now whether it is over. */
  readonly probe: string | null
  /** Names of the agents that wait for it. */
  readonly waiting: readonly string[]
}

/** What holds up accounts, the newest first. */
export async function reportLimits({ db, clock }: Pick<Project, 'db' | 'clock'>): Promise<LimitReport[]> {
  const rows = await openLimits(db)
  if (rows.length === 0) return []
  const open = await openAgents(db)
  const moment = momentOf({ clock })
  return rows.map((row) => {
    const mine = open.filter(({ account }) => account === accountName(row))
    const probe = mine.find(
      ({ id, fence, state }) => id === row.probe && fence === row.probe_fence && state === 'working',
    )
    const isDue = stateOfLimit(limitIn(row), moment, row.evidence) === 'due'
    return {
      provider: row.provider,
      account: row.account,
      runtime: row.runtime,
      cause: row.cause as LimitCause,
      until: row.until,
      estimated: row.estimated === 1,
      since: row.since,
      setbacks: row.setbacks,
      said: row.said,
      probe: isDue ? (probe?.name ?? null) : null,
      waiting: mine.filter((agent) => isParked(agent, row.until)).map(({ name }) => name),
    }
  })
}

function isParked({ state, waiting_on }: Agent, until: number | null): boolean {
  return state === 'waiting' && (waiting_on === 'rate_limit' || (until === null && waiting_on === 'human'))
}
