import type { AgentStateName, WaitingOn } from '../contract/states.ts'

/** Who and what goes on only when one thing is settled. */
export interface Blocks {
  /** Names: the one it is about, and all above that wait for it. */
  readonly agents: readonly string[]
  /** Tasks that wait for a place which an agent holds that can't go on. */
  readonly tasks: number
  /** Entries of the merge queue. */
  readonly merges: number
}

export const NOTHING_BLOCKED: Blocks = { agents: [], tasks: 0, merges: 0 }

export interface FleetMember {
  readonly name: string
  /** Name of the agent that slung it. */
  readonly parent: string | null
  readonly state: AgentStateName
  readonly waitingOn: WaitingOn | null
  readonly persistent: boolean
}

/** The fleet, as far as it matters for who waits for whom. */
export interface FleetFacts {
  readonly agents: readonly FleetMember[]
  /** Agents that may be at work at once. */
  readonly maxConcurrent: number
  /** Entries of the merge queue. */
  readonly merges: number
}

const HOLDING: readonly AgentStateName[] = ['starting', 'working', 'waiting']

/** What waits for an agent that can't go on: itself, who above waits for it, and tasks that would get its place. */
export function blockedByAgent(name: string, { agents, maxConcurrent }: FleetFacts): Blocks {
  const byName = new Map(agents.filter(isAtWork).map((agent) => [agent.name, agent]))
  const agent = byName.get(name)
  if (agent === undefined) return NOTHING_BLOCKED
  const blocked = [agent.name]
  for (let above = byName.get(agent.parent ?? ''); above !== undefined; above = byName.get(above.parent ?? '')) {
    if (above.state !== 'waiting' || above.waitingOn !== 'children' || blocked.includes(above.name)) break
    blocked.push(above.name)
  }
  const holders = agents.filter((one) => HOLDING.includes(one.state) && !one.persistent)
  const full = holders.length >= maxConcurrent && holders.some((one) => one.name === name)
  const tasks = full ? agents.filter(({ state }) => state === 'queued').length : 0
  return { agents: blocked, tasks, merges: 0 }
}

/** What waits for the merge train. */
export function blockedByTrain({ agents, merges }: FleetFacts): Blocks {
  const waiting = agents.filter(({ state, waitingOn }) => state === 'waiting' && waitingOn === 'merge')
  return { agents: waiting.map(({ name }) => name), tasks: 0, merges }
}

function isAtWork({ state }: FleetMember): boolean {
  return state === 'queued' || HOLDING.includes(state)
}

/** How much goes on when it is settled. */
export function weightOf({ agents, tasks, merges }: Blocks): number {
  return agents.length + tasks + merges
}

/** What else waits, in a few words, empty when nothing does; `about` is left out, of whom it is said anyway. */
export function sayBlocked({ agents, tasks, merges }: Blocks, about: string | null): string {
  const others = agents.filter((name) => name !== about)
  const named = others.length > 3 ? [`${others.length} agents`] : others
  const parts = [
    ...named,
    ...(tasks === 0 ? [] : [`${tasks} queued ${tasks === 1 ? 'task' : 'tasks'}`]),
    ...(merges === 0 ? [] : [`${merges} ${merges === 1 ? 'merge' : 'merges'}`]),
  ]
  const one = parts.length === 1 && others.length + tasks + merges === 1
  return parts.length === 0 ? '' : `${parts.join(', ')} ${one ? 'waits' : 'wait'} for it`
}
