import { type Agent, getAgent, isOpen } from '../agents/store.ts'
import type { Usage } from '../contract/runtime.ts'
import { type Db, write } from '../db/open.ts'
import { escalate } from '../escalation/escalate.ts'
import { recordEvent } from '../events/store.ts'
import { postMail } from '../mail/send.ts'
import type { Project } from '../project.ts'
import { step } from '../steps.ts'
import { adviceTo, intervene } from './intervene.ts'
import { type Action, actionFor, patienceAfter, type Standing, type Verdict } from './triage-rules.ts'
import type { Trouble } from './trouble.ts'

/** What was concluded about an agent in trouble. */
export interface Ruling {
  /** Null: there is none, and a person is asked. */
  readonly verdict: Verdict | null
  /** Who said so: a runtime and its model, an agent's name; null for nobody. */
  readonly by: string | null
  readonly why: string
  /** Of the facts it was concluded from; null where it holds for no others. */
  readonly digest: string | null
  /** What the question used, as far as the runtime tells; null where nothing was asked. */
  readonly used: { readonly tookMs: number; readonly usage: readonly Usage[] } | null
}

/** A ruling about one owner of an agent, and what it takes to act on it. */
export interface Sentence {
  readonly agent: Agent
  readonly trouble: Trouble
  readonly standing: Standing
  readonly ruling: Ruling
  /** Whether who acts still has the right to. Asked in each transaction that acts. */
  readonly mayAct: (tx: Db) => Promise<boolean>
}

/** Does what code allows of a ruling, and records it as `agent.triaged`. Gives what was done; null when it came too late. */
export async function carryOut(project: Project, sentence: Sentence): Promise<Action | null> {
  const { ruling, standing } = sentence
  const action: Action =
    ruling.verdict === null
      ? { do: 'ask-human', question: null, options: [], objection: null }
      : actionFor(ruling.verdict, standing)
  return (await perform(project, sentence, action)) ? action : null
}

async function perform(project: Project, sentence: Sentence, action: Action): Promise<boolean> {
  switch (action.do) {
    case 'wait':
      return write(project.db, async (tx) => (await isDue(tx, sentence)) && record(tx, project, sentence, action))
    case 'nudge':
      return write(project.db, async (tx) => {
        if (!(await isDue(tx, sentence))) return false
        await postMail(tx, adviceTo(sentence.agent, action.text), project.clock.now())
        return record(tx, project, sentence, action)
      })
    case 'ask-human':
      return askHuman(project, sentence, action)
    case 'stop':
      return intervene(project, sentence.agent, action.as, async (tx) => {
        if (!(await isDue(tx, sentence))) return false
        return record(tx, project, sentence, action)
      })
  }
}

/** Whether it still is about this owner of the agent, and whoever acts may. */
async function isDue(tx: Db, { agent, mayAct }: Sentence): Promise<boolean> {
  const now = await getAgent(tx, agent.id)
  return now !== undefined && now.fence === agent.fence && isOpen(now) && mayAct(tx)
}

async function askHuman(
  project: Project,
  sentence: Sentence,
  action: Extract<Action, { do: 'ask-human' }>,
): Promise<boolean> {
  const { agent, trouble, ruling } = sentence
  const { question, options, objection } = action
  const why = [ruling.why, refused(ruling, objection), question].filter((text) => text !== null).join(' ')
  if (!(await write(project.db, (tx) => isDue(tx, sentence)))) return false
  // First: asking is done once however often it is tried, and a verdict that says so without it would leave nobody asked.
  await escalate(project, agent, { trouble, why, ...(options.length === 0 ? {} : { options }) })
  step('triage.escalated')
  return write(project.db, async (tx) => (await isDue(tx, sentence)) && record(tx, project, sentence, action))
}

/** What was proposed and is not done, in words. */
function refused({ verdict, by }: Ruling, objection: string | null): string | null {
  if (verdict === null || objection === null) return null
  return `${by} would ${WOULD[verdict.verdict]}, which is not done: ${objection}`
}

const WOULD: Readonly<Record<Verdict['verdict'], string>> = {
  wait: 'wait',
  nudge: 'nudge it',
  resume: 'end and resume it',
  'restart-fresh': 'have it begin anew',
  reassign: 'give its task to another runtime',
  'ask-human': 'ask you',
  'give-up': 'give it up',
}

async function record(tx: Db, project: Project, { agent, trouble, ruling }: Sentence, action: Action): Promise<true> {
  const { run_id: runId, id: agentId, task_id: taskId } = agent
  const data = {
    about: trouble.about,
    fence: trouble.fence,
    stateSince: agent.state_since,
    verdict: action.do === 'stop' ? action.as.verdict : action.do,
    waitMs: patienceAfter(action, project.config.watchdog.tier0.nudgeAfter),
    by: ruling.by,
    why: ruling.why,
    objection: action.do === 'ask-human' ? action.objection : null,
    digest: ruling.digest,
    proposed: ruling.verdict,
    used: ruling.used,
  }
  await recordEvent(tx, { at: project.clock.now(), type: 'agent.triaged', runId, agentId, taskId, data })
  return true
}
