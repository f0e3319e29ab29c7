import * as z from 'zod'
import { type EventRow, showsLife } from './signs.ts'
import { type Standing, type Verdict, verdictSchema } from './triage-rules.ts'
import type { Trouble } from './trouble.ts'

/*
 * What the records say of verdicts there were already: whether one still holds, and what they have granted. Pure.
 */

/** What an `agent.triaged` event carries, as far as it is read again. */
const triagedSchema = z.object({
  about: z.string(),
  fence: z.number(),
  verdict: z.string(),
  waitMs: z.number(),
  why: z.string(),
  digest: z.string().nullable(),
  proposed: z.unknown(),
})

export type Triaged = z.output<typeof triagedSchema>

type Judged = Pick<EventRow, 'id' | 'at' | 'data_json'>

/** What a verdict said that is recorded here; null for one that is not of this tier. */
export function triagedIn({ data_json }: Pick<EventRow, 'data_json'>): Triaged | null {
  return triagedSchema.safeParse(JSON.parse(data_json)).data ?? null
}

/**
 * The verdict of an earlier question, while it holds for the same facts; null: a model has to be asked.
 *
 * @param last the newest verdict about the agent
 * @param digest of the facts as they are now
 * @param cacheFor ms for which a verdict holds
 */
export function heldVerdict(last: Judged | undefined, digest: string, now: number, cacheFor: number): Verdict | null {
  if (last === undefined || now - last.at > cacheFor) return null
  const before = triagedIn(last)
  return before?.digest === digest ? (verdictSchema.safeParse(before.proposed).data ?? null) : null
}

/**
 * How long verdicts have let an agent wait in a trouble, in ms, and how often they have nudged it. A sign of life ends a
 * silence.
 *
 * @param triaged its `agent.triaged` events, in any order
 * @param recent its last events of any kind, oldest first
 */
export function grantedIn(
  triaged: readonly Judged[],
  recent: readonly EventRow[],
  trouble: Pick<Trouble, 'about' | 'fence'>,
): Pick<Standing, 'waited' | 'nudged'> {
  const began = trouble.about === 'silence' ? Number(recent.findLast(showsLife)?.id ?? 0) : 0
  const given = triaged
    .filter(({ id }) => Number(id) > began)
    .flatMap((event) => triagedIn(event) ?? [])
    .filter(({ about, fence }) => about === trouble.about && fence === trouble.fence)
  const waits = given.filter(({ verdict }) => verdict === 'wait')
  return {
    waited: waits.reduce((sum, { waitMs }) => sum + waitMs, 0),
    nudged: given.filter(({ verdict }) => verdict === 'nudge').length,
  }
}
