import { setTimeout as delay } from 'node:timers/promises'
import { type Agent, getAgent, isOpen } from '../agents/store.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import { claimLease, dropLease, type Lease, ownsLease, releaseLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import { OvError } from '../errors.ts'
import { countAskedSince, eventsOfKinds, recordEvent } from '../events/store.ts'
import { isAllowed } from '../load/mode.ts'
import { oneLine } from '../mail/frame.ts'
import { ownIdentity } from '../os/process.ts'
import type { Project } from '../project.ts'
import { askForJson, type JsonAnswer } from '../runner/ask-once.ts'
import { type PassedOver, passed, sayPassedOver } from '../runtimes/fallback.ts'
import { loadRuntime } from '../runtimes/registry.ts'
import { candidate, modelOf } from '../runtimes/routing.ts'
import { step } from '../steps.ts'
import { heldVerdict } from './judged.ts'
import { type Case, caseOf, standingOf } from './triage-facts.ts'
import { isStop, questionText, type Verdict, verdictSchema } from './triage-rules.ts'
import type { Trouble } from './trouble.ts'
import { carryOut, type Ruling } from './verdict.ts'

/** The right to look after the fleet, without which nothing is done. */
type Right = Pick<Lease, 'resource' | 'fence'>

const HOUR = 3_600_000
/** Between two attempts at a free place among those who ask, in ms. */
const AGAIN_MS = 250

/**
 * Has a model judge an agent that the mechanical tier can't help, and does what code allows of its verdict: one bounded
 * question, at most so many at once and an hour in the whole fleet, none where nothing has changed since the last. No
 * question, no answer or one that can't be used: a person is asked. Once at a time for each agent; for an older owner of
 * the agent nothing is done.
 *
 * @param lease the right to watch
 * @param gone gives the question up; nothing is concluded then
 */
export async function triage(project: Project, lease: Right, trouble: Trouble, gone?: AbortSignal): Promise<void> {
  const agent = await getAgent(project.db, trouble.agent)
  if (agent === undefined || agent.fence !== trouble.fence || !isOpen(agent)) return
  const { timeout } = project.config.watchdog.tier1
  const mine = await claim(project, `triage:${agent.id}`, 2 * timeout + HOUR / 60)
  if (mine === null) return
  step('triage.claimed')
  try {
    const found = await caseOf(project, agent, trouble)
    const ruling = await rulingAbout(project, agent, trouble, found, gone)
    step('triage.judged')
    if (gone?.aborted) return
    const { baseline } = found
    const standing = await standingOf(project, agent, trouble, { baseline, closely: isStop(ruling.verdict) })
    const mayAct = (tx: Parameters<typeof ownsLease>[0]) => ownsLease(tx, { ...lease, seized: false })
    await carryOut(project, { agent, trouble, standing, ruling, mayAct })
  } finally {
    await write(project.db, (tx) => dropLease(tx, mine))
  }
}

function claim(project: Project, resource: string, ttlMs: number): Promise<Lease | null> {
  return write(project.db, (tx) => claimLease(tx, resource, ownIdentity(), project.clock, ttlMs))
}

/** The verdict about a case: the last one while nothing has changed, else a model's, else that a person is asked. */
async function rulingAbout(
  project: Project,
  agent: Agent,
  trouble: Trouble,
  found: Case,
  gone: AbortSignal | undefined,
): Promise<Ruling> {
  const { digest } = found
  if (!project.config.watchdog.tier1.enabled) return nobody('Triage is off.')
  if (!(await isAllowed(project, 'triage')))
    return nobody('The fleet spares its machine, so no model is asked (ov mode).')
  const known = await lastVerdict(project, agent, digest)
  if (known !== null) return { verdict: known, by: 'the same facts as before', why: known.why, digest, used: null }
  try {
    const judge = await judgeFor(project)
    const by = [judge.runtime.id, judge.model].filter((word) => word !== null).join(' ')
    const { value: verdict, tookMs, usage } = await ask(project, agent, trouble, { judge, by, found, gone })
    return { verdict, by, why: verdict.why, digest, used: { tookMs, usage } }
  } catch (error) {
    if (!(error instanceof OvError)) throw error
    const said = oneLine(error.message, 300)
    return nobody(error.code === 'triage.nobody' ? said : `No model could judge it: ${said}`)
  }
}

function nobody(why: string): Ruling {
  return { verdict: null, by: null, why, digest: null, used: null }
}

async function lastVerdict({ db, clock, config }: Project, agent: Agent, digest: string): Promise<Verdict | null> {
  const [event] = await eventsOfKinds(db, agent.id, ['agent.triaged'], 1)
  return heldVerdict(event, digest, clock.now(), config.watchdog.tier1.cacheFor)
}

/** Who is asked. */
interface Judge {
  readonly runtime: AgentRuntime
  readonly model: string | null
}

/**
 * The runtime that is asked, and its model.
 *
 * @throws {OvError} `triage.nobody`, `runtime.unknown`
 */
async function judgeFor(project: Project): Promise<Judge> {
  const { watchdog, runtime } = project.config
  const { tier1 } = watchdog
  const wanted = tier1.runtime === undefined ? [runtime.default, ...runtime.fallback] : [tier1.runtime]
  const hindered: PassedOver[] = []
  for (const id of new Set(wanted)) {
    const found = await candidate(project, id, { capability: 'monitor' })
    if (found.obstacle !== null && found.obstacle.is !== 'no-commands') {
      hindered.push(passed(found))
      continue
    }
    const judge = await loadRuntime(id)
    return { runtime: judge, model: await modelFor(project, judge) }
  }
  throw new OvError('failed', 'triage.nobody', `No model can be asked: ${sayPassedOver(hindered)}.`)
}

/** The configured model, or null (the runtime's own default) where that is another vendor's. */
async function modelFor({ config }: Project, runtime: AgentRuntime): Promise<string | null> {
  try {
    return await modelOf(config, runtime, config.watchdog.tier1.model, 'monitor')
  } catch (error) {
    if (error instanceof OvError && error.code === 'model.foreign') return null
    throw error
  }
}

/** @throws {OvError} `triage.budget`, `triage.busy`, and what `askForJson` throws */
async function ask(
  project: Project,
  agent: Agent,
  { about }: Trouble,
  { judge, by, found, gone }: { judge: Judge; by: string; found: Case; gone: AbortSignal | undefined },
): Promise<JsonAnswer<Verdict>> {
  const { db, clock, config } = project
  const { timeout, perHour } = config.watchdog.tier1
  const place = await placeToAsk(project, gone)
  try {
    await write(db, async (tx) => {
      const now = clock.now()
      if ((await countAskedSince(tx, now - HOUR)) >= perHour)
        throw new OvError('budget', 'triage.budget', `${perHour} questions an hour are the limit.`)
      const { run_id: runId, id: agentId, task_id: taskId } = agent
      await recordEvent(tx, { at: now, type: 'triage.asked', runId, agentId, taskId, data: { about, by } })
    })
    step('triage.asking')
    const { runtime, model } = judge
    const question = {
      runtime,
      text: questionText(found.facts),
      timeoutMs: timeout,
      ...(model === null ? {} : { model }),
      ...(gone === undefined ? {} : { signal: gone }),
    }
    return await askForJson(config, question, verdictSchema, { again: false })
  } finally {
    await write(db, (tx) => releaseLease(tx, place))
  }
}

/** One of the places of those who ask at the same time, in whatever process. */
async function placeToAsk(project: Project, gone: AbortSignal | undefined): Promise<Lease> {
  const { timeout, atOnce } = project.config.watchdog.tier1
  const until = project.clock.monotonic() + timeout
  while (!gone?.aborted && project.clock.monotonic() < until) {
    for (let place = 1; place <= atOnce; place++) {
      const lease = await claim(project, `triage-place:${place}`, 2 * timeout)
      if (lease !== null) return lease
    }
    await delay(AGAIN_MS)
  }
  throw new OvError('busy', 'triage.busy', `${atOnce} questions are asked at the same time, which is the limit.`)
}
