import type { AgentReport } from '../reports/report.ts'

/** An agent's place in the tree of who slung whom. */
export interface Placed<A> {
  readonly agent: A
  /** For each level above it, whether more of that level come below; empty for a root. The last is its own. */
  readonly more: readonly boolean[]
}

type Kin = Pick<AgentReport, 'name' | 'parent' | 'capability' | 'createdAt'>

/**
 * The fleet as a tree, each agent below the one that slung it: the coordinator first, then by age. Nothing but a new
 * agent changes the order, so that no row jumps under somebody's eyes.
 */
export function treeOf<A extends Kin>(agents: readonly A[]): Placed<A>[] {
  const names = new Set(agents.map(({ name }) => name))
  const sorted = [...agents].sort(
    (a, b) => rank(a) - rank(b) || a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1),
  )
  const children = new Map<string | null, A[]>()
  for (const agent of sorted) {
    const parent = agent.parent !== null && names.has(agent.parent) ? agent.parent : null
    children.set(parent, [...(children.get(parent) ?? []), agent])
  }
  const below = (parent: string | null, above: readonly boolean[]): Placed<A>[] => {
    const ours = children.get(parent) ?? []
    // Each has one place only, so that even a circle (there is none) could not go on for ever.
    children.delete(parent)
    return ours.flatMap((agent, index) => {
      const more = parent === null ? [] : [...above, index < ours.length - 1]
      return [{ agent, more }, ...below(agent.name, more)]
    })
  }
  return below(null, [])
}

function rank({ capability }: Kin): number {
  return capability === 'coordinator' ? 0 : capability === 'monitor' ? 1 : 2
}

/** How many agents that have ended well are shown when no one asked for more. */
const ENDED_SHOWN = 10

/**
 * The names of those worth a row: who is open or failed, the newest that ended well, and everybody above these.
 */
export function worthARow<A extends Kin & Pick<AgentReport, 'condition' | 'endedAt'>>(
  agents: readonly A[],
): Set<string> {
  const wellEnded = agents
    .filter(({ condition }) => condition === 'done' || condition === 'stopped')
    .sort((a, b) => (b.endedAt ?? 0) - (a.endedAt ?? 0))
  const hidden = new Set(wellEnded.slice(ENDED_SHOWN).map(({ name }) => name))
  const byName = new Map(agents.map((agent) => [agent.name, agent]))
  const shown = new Set<string>()
  for (const agent of agents) {
    if (hidden.has(agent.name)) continue
    for (let at: A | undefined = agent; at !== undefined && !shown.has(at.name); at = byName.get(at.parent ?? ''))
      shown.add(at.name)
  }
  return shown
}
