import type { Agent } from '../agents/store.ts'
import { type ConversationPlace, tokensIn } from '../agents/transcript.ts'
import type { AgentEvent, AgentRuntime } from '../contract/runtime.ts'
import type { Project } from '../project.ts'
import { usageMeter } from '../spend/meter.ts'
import { recordUsage, usedBy } from '../spend/store.ts'
import type { SessionIds } from './session-ids.ts'

type UsageEvent = Extract<AgentEvent, { type: 'usage' }>

/** What an agent uses, counted once: as its CLI reports it, or, on a screen, as its session's transcript tells. */
export interface Counts {
  add(event: UsageEvent): Promise<void>
  /** Takes in what the transcript tells by now. */
  takeIn(): Promise<void>
  /** The same for the last time. */
  close(): Promise<void>
}

/** @param ids the session that was taken up, if one was: its counts may go on */
export function countsOf(
  { db, clock }: Pick<Project, 'db' | 'clock'>,
  agent: Agent,
  runtime: AgentRuntime,
  { place, ids }: { readonly place: ConversationPlace; readonly ids: SessionIds },
): Counts {
  const resumed = ids.told
  const tokens = agent.mode === 'interactive' ? tokensIn(runtime, place, resumed) : undefined
  let meter: ReturnType<typeof usageMeter> | null = null

  const add = async (event: UsageEvent) => {
    meter ??= usageMeter(resumed === undefined ? null : await usedBy(db, agent.id))
    await recordUsage(db, agent.id, meter(event), clock.now())
  }
  const takeIn = async () => {
    for (const event of tokens?.take(ids.told) ?? []) await add(event)
  }
  return {
    add,
    takeIn,
    async close() {
      await takeIn()
      tokens?.close()
    },
  }
}
