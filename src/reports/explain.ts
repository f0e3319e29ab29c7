import { recentRestarts } from '../agents/recover.ts'
import { type Agent, namesOf, openChildren } from '../agents/store.ts'
import { lastEscalation } from '../escalation/store.ts'
import { idsIn } from '../events/line.ts'
import { eventsOfKinds, recentEvents } from '../events/store.ts'
import { nameOf } from '../mail/send.ts'
import { bootId } from '../os/process.ts'
import type { Project } from '../project.ts'
import { getRun } from '../tasks/runs.ts'
import { Eyes, INCURIOUS } from '../watchdog/eyes.ts'
import { type Foreseen, foresee } from '../watchdog/foresee.ts'
import { type Watcher, watcherAtWork } from '../watchdog/lease.ts'
import { showsLife } from '../watchdog/signs.ts'
import { limitsOf, watchSpec } from '../watchdog/spec.ts'
import { wordsFor } from '../watchdog/words.ts'
import { type AgentReport, reportRun } from './report.ts'
import { saySign } from './sign-words.ts'
import { type Explanation, explain, type Fact, type PendingDecision } from './why.ts'
import { whyFacts } from './why-facts.ts'

/** What was done about an agent, and what it met. */
const DEEDS = [
  'agent.nudged',
  'agent.raised',
  'agent.triaged',
  'triage.failed',
  'agent.escalated',
  'agent.escalation-settled',
  'agent.runner-gone',
  'agent.recovered',
  'agent.requeued',
  'agent.left',
  'dialog.answered',
  'limit.hit',
  'limit.probed',
  'limit.lifted',
  'runtime.rate-limited',
  'runtime.failed',
  'agent.failed',
  'agent.stopped',
  'merge.rejected',
] as const

/** So many of them are told. */
const DEEDS_TOLD = 8
/** So many events back a sign of life is looked for. */
const RECENT = 200

/** Why an agent is in its state, what was seen and done, and what happens next and when. Looks only. */
export async function explainAgent(project: Project, agent: Agent): Promise<Explanation> {
  const { db, clock, config } = project
  const run = await getRun(db, agent.run_id)
  const report = run && (await reportRun(project, run)).find(({ id }) => id === agent.id)
  if (!report) throw new Error(`agent ${agent.id} is not in its run`)
  const events = await recentEvents(db, { agentId: agent.id }, RECENT)
  const sign = events.findLast(showsLife)
  const lastSign = sign === undefined ? null : { at: sign.at, text: saySign(sign) }
  const watcher = await watcherAtWork(db, clock)
  const children = (await openChildren(db, agent.id)).map(({ name }) => name)
  return explain({
    ...(await whyFacts(project, agent, report, children)),
    at: clock.now(),
    lastSign,
    deeds: await deedsOf(project, agent),
    restarts: await recentRestarts(project, agent),
    watched: watcher === null ? 'nobody' : watcher.late ? 'late' : 'yes',
    foreseen: await foreseen(project, agent, report, { lastSign: lastSign?.at ?? 0, watcher }),
    nudges: config.watchdog.tier0.nudges,
    triage: config.watchdog.tier1.enabled,
    decision: await pendingDecision(project, agent),
  })
}

async function deedsOf({ db }: Project, agent: Agent): Promise<Fact[]> {
  const events = await eventsOfKinds(db, agent.id, DEEDS, DEEDS_TOLD)
  const names = await namesOf(db, idsIn(events))
  return events.flatMap((event) => {
    const words = wordsFor(event, (id) => names.get(id) ?? agent.name)
    return words === null ? [] : [{ at: event.at, text: words.text }]
  })
}

/** By the eyes and the rule of the watchdog itself. */
async function foreseen(
  project: Project,
  agent: Agent,
  { lastOutput }: AgentReport,
  { lastSign, watcher }: { lastSign: number; watcher: Watcher | null },
): Promise<Foreseen[]> {
  const { db, clock } = project
  const spec = watchSpec(project)
  const eyes = new Eyes(db, clock)
  try {
    await eyes.read(spec)
    const { at, agents } = eyes.look(spec, INCURIOUS)
    const seen = agents.find(({ id }) => id === agent.id)
    if (seen === undefined) return []
    const [tried] = await eventsOfKinds(db, agent.id, ['agent.nudged', 'agent.triaged'], 1)
    const counted = Math.max(agent.state_since, lastSign, lastOutput ?? 0, tried?.at ?? 0, watcher?.since ?? 0)
    return foresee(seen, at, Math.max(0, at.wall - counted), limitsOf(spec))
  } finally {
    eyes.close()
  }
}

async function pendingDecision({ db, clock, config }: Project, agent: Agent): Promise<PendingDecision | null> {
  const last = await lastEscalation(db, agent.id)
  if (last?.state !== 'open') return null
  const left = config.watchdog.tier3.answerWithin - (clock.monotonic() - last.asked_mono)
  return {
    to: await nameOf(db, last.reader),
    askedAt: last.asked_at,
    seen: last.seen,
    upAt: last.asked_boot === bootId() ? clock.now() + Math.max(0, left) : null,
    id: last.question,
  }
}
