import { namedAgent } from '../agents/named.ts'
import { type Agent, getAgent, isOpen } from '../agents/store.ts'
import { claimLease, dropLease, type Lease } from '../db/lease.ts'
import { type Db, write } from '../db/open.ts'
import { OvError } from '../errors.ts'
import { ownIdentity } from '../os/process.ts'
import type { Project } from '../project.ts'
import { baselineOf, raisedTrouble, standingOf } from '../watchdog/triage-facts.ts'
import { isStop, patienceAfter, type Verdict } from '../watchdog/triage-rules.ts'
import type { Trouble } from '../watchdog/trouble.ts'
import { carryOut } from '../watchdog/verdict.ts'

/** What became of a proposal: the document of `ov monitor propose --json`. */
export interface Proposed {
  readonly agent: string
  readonly proposed: Verdict['verdict']
  /** What was done. */
  readonly done: Verdict['verdict']
  /** Why it is not what was proposed; null where it is. */
  readonly objection: string | null
  /** So long nothing more is done about the agent, in ms. */
  readonly waitMs: number
}

/** A proposal is judged and done within this time, in ms. */
const LONGEST_MS = 120_000

/**
 * Has the monitor agent's verdict about another agent done, by the very rules that hold for a model's: nobody is stopped
 * by its word alone.
 *
 * @throws {OvError} `monitor.not-yours`, `monitor.itself`, `monitor.ended`, `monitor.judged`, `monitor.too-late`, and what
 *   `namedAgent` throws
 */
export async function propose(
  project: Project,
  by: Agent,
  { agent: name, verdict }: { readonly agent: string; readonly verdict: Verdict },
): Promise<Proposed> {
  if (by.capability !== 'monitor') {
    throw new OvError('user', 'monitor.not-yours', `Only a monitor proposes what is to be done about others.`, {
      hint: 'Tell whom you report to: ov ask "…"',
    })
  }
  const agent = await namedAgent(project, name)
  if (agent.id === by.id) throw new OvError('user', 'monitor.itself', 'You propose nothing about yourself.')
  if (!isOpen(agent)) {
    throw new OvError(
      'user',
      'monitor.ended',
      `${agent.name} is ${agent.state}. There is nothing to be done about it.`,
      {
        hint: 'See who is at work: ov status',
      },
    )
  }
  const mine = await claim(project, agent)
  try {
    const raised = await raisedTrouble(project, agent)
    const trouble = raised ?? suspicion(agent, by, verdict)
    const baseline = baselineOf(project, agent)
    const standing = await standingOf(project, agent, trouble, {
      baseline,
      closely: isStop(verdict),
    })
    const ruling = { verdict, by: by.name, why: verdict.why, digest: null, used: null }
    const mayAct = async (tx: Db) => (await getAgent(tx, by.id))?.fence === by.fence
    const action = await carryOut(project, { agent, trouble, standing, ruling, mayAct })
    if (action === null) {
      throw new OvError('busy', 'monitor.too-late', `${agent.name} has another owner by now. Nothing was done.`, {
        hint: 'Look again: ov status',
      })
    }
    return {
      agent: agent.name,
      proposed: verdict.verdict,
      done: action.do === 'stop' ? action.as.verdict : action.do,
      objection: action.do === 'ask-human' ? action.objection : null,
      waitMs: patienceAfter(action, project.config.watchdog.tier0.nudgeAfter),
    }
  } finally {
    await write(project.db, (tx) => dropLease(tx, mine))
  }
}

async function claim(project: Project, agent: Agent): Promise<Lease> {
  const { db, clock } = project
  const lease = await write(db, (tx) => claimLease(tx, `triage:${agent.id}`, ownIdentity(), clock, LONGEST_MS))
  if (lease !== null) return lease
  throw new OvError('busy', 'monitor.judged', `${agent.name} is being judged just now.`, {
    hint: 'See what comes of it: ov status',
  })
}

/** What is told of an agent in which software sees no trouble. */
function suspicion(agent: Agent, by: Agent, { why }: Verdict): Trouble {
  return { agent: agent.id, fence: agent.fence, about: 'silence', ms: 0, seen: `${by.name} says: ${why}`, tried: [] }
}
