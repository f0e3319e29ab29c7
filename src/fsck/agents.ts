import { type Agent, isOpen, ownerOf } from '../agents/store.ts'
import { isFinal } from '../contract/states.ts'
import { TRAIN_LEASE } from '../merge/store.ts'
import { isOrphaned } from '../watchdog/reconcile.ts'
import { type Breach, hasLivingOwner, type Invariant, type Look } from './invariant.ts'

const open = ({ rows }: Look) => rows.agents.filter(isOpen)

/** Who and what is at work, and who owns it. */
export const AGENT_INVARIANTS: readonly Invariant[] = [
  {
    name: 'one-agent-each',
    promise: 'A task, a name and a branch have one agent at work at most, and a capability one that has no end.',
    check(look) {
      const persistent = look.rows.agents.filter(({ persistent }) => persistent === 1)
      return [
        ...shared(open(look), 'task', ({ task_id }) => task_id),
        ...shared(open(look), 'name', ({ name }) => name),
        ...shared(look.rows.agents, 'branch', ({ branch }) => branch),
        ...shared(persistent, 'capability', ({ capability }) => capability),
      ]
    },
  },
  {
    name: 'agents-and-tasks',
    promise: 'An agent at work has a task that is open; an open task has an agent at work or a branch in the queue.',
    check: ({ rows, agents }) => [
      ...rows.agents.filter(isOpen).flatMap((agent): Breach[] => {
        const task = rows.tasks.find(({ id }) => id === agent.task_id)
        // Whoever owns it is about to end it. Without an owner that is another invariant's.
        const isEnding = agent.state !== 'queued' && ownerOf(agent) !== null
        if (task === undefined || !isFinal(task.state) || isEnding) return []
        return [
          { what: `${agent.name} is ${agent.state}, but its task is ${task.state}.`, hint: `ov stop ${agent.name}` },
        ]
      }),
      ...rows.tasks.flatMap((task): Breach[] => {
        const queued = rows.merges.some(
          ({ task_id, state }) => task_id === task.id && (state === 'ready' || state === 'merging'),
        )
        const last = [...agents.values()].findLast(({ task_id }) => task_id === task.id)
        const isWorkedOn = last !== undefined && isOpen(last)
        const hint = last === undefined ? 'ov run show' : `ov inspect ${last.name}`
        if (task.state === 'merging' && !queued)
          return [{ what: `Task ${task.id} waits for its merge, but its branch is not in the queue.`, hint }]
        if (isFinal(task.state) && queued)
          return [{ what: `Task ${task.id} is ${task.state}, but its branch is in the merge queue.`, hint: 'ov merge' }]
        if (!isFinal(task.state) && !queued && !isWorkedOn)
          return [{ what: `Task ${task.id} is ${task.state}, but nobody works on it.`, hint }]
        return []
      }),
    ],
  },
  {
    name: 'agents-have-owners',
    promise: 'An agent at work has a live process that owns it.',
    check: (look) =>
      open(look).flatMap((agent): Breach[] => {
        if (agent.state === 'queued') return []
        if (ownerOf(agent) === null)
          return [{ what: `${agent.name} is ${agent.state}, but nobody owns it.`, hint: `ov stop ${agent.name}` }]
        return isOrphaned(look.project, agent)
          ? [{ what: `${agent.name} is ${agent.state}, but its runner is gone.`, hint: 'ov up' }]
          : []
      }),
  },
  {
    name: 'fences',
    promise: 'Every owner has a fence, and no write bears one that was never given out.',
    check({ rows }) {
      const train = rows.leases.find(({ resource }) => resource === TRAIN_LEASE)?.fence ?? 0
      const hint = 'Report this: it is a fault of ov. What it concerns: ov status --all'
      return [
        ...rows.agents
          .filter((agent) => agent.fence < 1 && isOpen(agent) && agent.state !== 'queued')
          .map(({ name, state }) => ({ what: `${name} is ${state} without a fence.`, hint })),
        ...rows.leases
          .filter(({ fence }) => fence < 1)
          .map(({ resource }) => ({ what: `The lease ${resource} has no fence.`, hint })),
        ...rows.merges
          .filter(({ fence }) => fence > train)
          .map(({ branch, fence }) => ({
            what: `The merge of ${branch} was claimed with fence ${fence}, but the train was only given ${train}.`,
            hint,
          })),
      ]
    },
  },
  {
    name: 'leases',
    promise: 'A lease that is held is held by a live process.',
    check: ({ rows }) =>
      rows.leases.flatMap((lease): Breach[] => {
        if (lease.expires_at === null || hasLivingOwner(lease)) return []
        return [
          { what: `The lease ${lease.resource} is held by process ${lease.owner_pid}, which is gone.`, hint: 'ov up' },
        ]
      }),
  },
]

function shared(agents: readonly Agent[], what: string, of: (agent: Agent) => string): Breach[] {
  return [...Map.groupBy(agents, of)].flatMap(([value, those]): Breach[] => {
    if (those.length < 2) return []
    const names = those.map(({ name, id }) => `${name} (${id.slice(-6)})`).join(' and ')
    return [{ what: `${names} share the ${what} ${value}.`, hint: `Stop all but one: ov stop ${those[0]?.name}` }]
  })
}
