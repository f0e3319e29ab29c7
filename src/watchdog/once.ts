import { setTimeout as delay } from 'node:timers/promises'
import type { AgentStateName } from '../contract/states.ts'
import { releaseLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import type { Liveness } from '../os/process.ts'
import type { Project } from '../project.ts'
import { Eyes, INCURIOUS } from './eyes.ts'
import { claimWatch } from './lease.ts'
import type { Verdict } from './rules.ts'
import { limitsOf, watchSpec } from './spec.ts'
import { tendFleet, tendMerges, tendTroubles } from './tend.ts'
import { firstRound, tick } from './tick.ts'
import { busy } from './watch.ts'
import { wordsFor } from './words.ts'

/** What one look at the fleet saw, and what it did. */
export interface Look {
  /** Who is not at an end; `runner` as the kernel says, null for who waits for a place. */
  readonly agents: readonly {
    readonly agent: string
    readonly state: AgentStateName
    readonly runner: Liveness | null
  }[]
  /** What was recorded while it did what was to be done, oldest first. */
  readonly did: readonly {
    readonly at: number
    readonly type: string
    readonly agent: string | null
    readonly data: unknown
  }[]
  /** The same as lines of text. */
  readonly said: readonly string[]
}

/** Between the two looks that a death takes, in ms. */
const AGAIN_MS = 25

/**
 * One round of the watchdog, by this process itself: looks twice, so that a death is seen twice, and does what is to be
 * done: nudges, honest ends, bounces, starts, merges.
 *
 * @throws {OvError} `watch.busy`
 */
export async function lookOnce(project: Project, gone: AbortSignal): Promise<Look> {
  const { db, clock } = project
  const lease = await claimWatch(db, clock)
  if ('pid' in lease) throw busy(lease, clock.now())
  const eyes = new Eyes(db, clock)
  try {
    const spec = watchSpec(project)
    const round = firstRound(db, clock, lease, eyes)
    const verdicts: Verdict[] = []
    for (const first of [true, false]) {
      const due = clock.monotonic() + AGAIN_MS
      verdicts.push(...(await tick(round, spec, limitsOf(spec), { read: first, due })).verdicts)
      if (first) await delay(AGAIN_MS)
    }
    const { agents } = eyes.look(spec, INCURIOUS)
    const names = new Map(eyes.agents.map(({ id, name }) => [id, name]))
    const nudges = verdicts.filter((verdict) => verdict.do === 'nudge')
    const troubles = verdicts.filter((verdict) => verdict.do === 'raise')
    await tendFleet(project, { fence: lease.fence, nudges })
    await tendTroubles(project, { fence: lease.fence, troubles }, gone)
    if (spec.mergeAuto) await tendMerges(project, gone)
    const events = await eyes.read(spec)
    for (const { id, name } of eyes.agents) names.set(id, name)
    const nameOf = (id: string) => names.get(id) ?? id
    return {
      agents: agents.map(({ id, state, runner }) => ({ agent: nameOf(id), state, runner })),
      did: events.map(({ at, type, agent_id: agent, data_json: data }) => ({
        at,
        type,
        agent: agent === null ? null : nameOf(agent),
        data: JSON.parse(data),
      })),
      said: events.flatMap((event) => wordsFor(event, nameOf)?.text ?? []),
    }
  } finally {
    eyes.close()
    await write(db, (tx) => releaseLease(tx, lease))
  }
}
