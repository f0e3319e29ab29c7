import { type Agent, namesOf, ownerOf, persistentAgent } from '../agents/store.ts'
import { COORDINATOR, SYSTEM } from '../contract/mail.ts'
import { write } from '../db/open.ts'
import { eventsOfKinds, recentEvents, recordEvent } from '../events/store.ts'
import { postMail } from '../mail/send.ts'
import { findMail } from '../mail/store.ts'
import { openMerges } from '../merge/store.ts'
import { liveness } from '../os/process.ts'
import type { Project } from '../project.ts'
import { isLive } from '../reports/condition.ts'
import { type FleetFacts, type Pattern, patternsIn } from './patterns.ts'

type Facts = Pick<Project, 'db' | 'clock'>

/** So many events back is looked, and digests and mails. */
const EVENTS = 4_000
const DIGESTS = 50
const MAILS = 100
/** A pattern that was told is told again after so long, in ms, if it is still there. */
const FORGET_MS = 4 * 3_600_000

/**
 * Mails the monitor agent the patterns that the fleet shows, when it runs and there is one that it was not told of: at
 * most one mail each `watchdog.tier2.every`. Gives what it was told; empty for nothing.
 */
export async function tellMonitor(project: Facts & Pick<Project, 'config'>): Promise<readonly Pattern[]> {
  const { enabled, every } = project.config.watchdog.tier2
  const monitor = enabled ? await persistentAgent(project.db, 'monitor') : undefined
  if (monitor === undefined || !isAtWork(monitor)) return []
  const patterns = patternsIn(await fleetFacts(project))
  if (patterns.length === 0) return []
  return write(project.db, async (tx) => {
    const now = project.clock.now()
    const told = await eventsOfKinds(tx, monitor.id, ['monitor.digest'], DIGESTS)
    const last = told.at(-1)
    if (last !== undefined && now - last.at < every) return []
    const known = new Set(
      told.filter(({ at }) => now - at < FORGET_MS).flatMap(({ data_json }) => JSON.parse(data_json).patterns ?? []),
    )
    const fresh = patterns.filter(({ key }) => !known.has(key))
    if (fresh.length === 0) return []
    await postMail(tx, { ...letterAbout(fresh), from: SYSTEM, to: monitor.id, type: 'health_check' }, now)
    const data = { patterns: fresh.map(({ key }) => key) }
    await recordEvent(tx, { at: now, type: 'monitor.digest', runId: monitor.run_id, agentId: monitor.id, data })
    return fresh
  })
}

function isAtWork(agent: Agent): boolean {
  const owner = ownerOf(agent)
  return isLive(agent.state) && owner !== null && liveness(owner) === 'alive'
}

function letterAbout(patterns: readonly Pattern[]): { subject: string; body: string } {
  return {
    subject: patterns.length === 1 ? 'A pattern in the fleet' : `${patterns.length} patterns in the fleet`,
    body: [
      'Software sees this and cannot judge it:',
      ...patterns.map(({ text }) => `- ${text}`),
      'Look whether it matters. Mail the lead or the coordinator whom it concerns, or propose what is to be done about an agent: ov monitor propose --agent NAME --verdict wait --why "…"',
    ].join('\n'),
  }
}

async function fleetFacts({ db, clock }: Facts): Promise<FleetFacts> {
  const [events, coordinator, merges] = await Promise.all([
    recentEvents(db, {}, EVENTS),
    persistentAgent(db, COORDINATOR),
    openMerges(db),
  ])
  const names = await namesOf(db, [...new Set(events.flatMap(({ agent_id: id }) => id ?? []))])
  return {
    now: clock.now(),
    events: events.map(({ at, type, agent_id: id, data_json: data }) => ({
      at,
      type,
      agent: id === null ? null : (names.get(id) ?? null),
      data: JSON.parse(data),
    })),
    coordinator: coordinator === undefined ? null : await coordinatorFacts(db, coordinator),
    queuedSince: merges.length === 0 ? null : Math.min(...merges.map(({ created_at: at }) => at)),
  }
}

async function coordinatorFacts(db: Facts['db'], agent: Agent): Promise<FleetFacts['coordinator']> {
  const waiting = await findMail(db, { reader: agent.id, unread: true }, MAILS)
  const busy = agent.state === 'working' || agent.state === 'starting' || agent.waiting_on === 'rate_limit'
  return { name: agent.name, busy, mailSince: waiting.at(-1)?.created_at ?? null }
}
