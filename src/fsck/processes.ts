import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isOpen } from '../agents/store.ts'
import { hookFolder, privateFolder } from '../hooks/folder.ts'
import { listFolder } from '../os/files.ts'
import { deadSocketsIn, isListening } from '../os/sockets.ts'
import { runnersIn } from '../os/tree.ts'
import { TMUX_SOCKET } from '../project.ts'
import type { Breach, Invariant } from './invariant.ts'

const pidsOf = (those: readonly { readonly pid: number }[]) =>
  those
    .map(({ pid }) => pid)
    .sort((a, b) => a - b)
    .join(', ')

/** Processes, and what they leave outside the database and git. */
export const PROCESS_INVARIANTS: readonly Invariant[] = [
  {
    name: 'processes-owned',
    promise: 'No process of an agent outlives it, and an agent has one runner.',
    check(look) {
      const runners = runnersIn(look.processes)
      return [
        ...[...Map.groupBy(look.marked, ({ agentId }) => agentId)].flatMap(([id, members]): Breach[] => {
          const agent = look.agents.get(id)
          if (agent === undefined || isOpen(agent)) return []
          const pids = pidsOf(members.map(({ who }) => who))
          const what = `${agent.name} is ${agent.state}, but processes of its live on: ${pids}`
          return [{ what, hint: `ov stop ${agent.name}` }]
        }),
        ...[...Map.groupBy(runners, ({ agentId }) => agentId)].flatMap(([id, those]): Breach[] => {
          const agent = look.agents.get(id)
          // Runners of another project's agents are none of ours.
          if (agent === undefined) return []
          const say = (what: string) => [{ what: `${agent.name} ${what}.`, hint: `ov stop ${agent.name}` }]
          if (!isOpen(agent)) return say(`is ${agent.state}, but its runner lives on`)
          const stale = those.filter(({ fence }) => fence < agent.fence - 1)
          if (stale.length > 0) return say(`has a runner of an earlier time (${pidsOf(stale)})`)
          return those.length > 1 ? say(`has ${those.length} runners (${pidsOf(those)})`) : []
        }),
      ]
    },
  },
  {
    name: 'sockets',
    promise: 'The socket of an agent’s process is answered, and every socket is.',
    async check({ project, marked, agents }) {
      const wanted = new Map(
        marked.flatMap(({ agentId, broker }) => (broker === null ? [] : [[broker, agents.get(agentId)] as const])),
      )
      const breaches: Breach[] = []
      for (const [path, agent] of wanted) {
        if (agent === undefined || !isOpen(agent) || (await isListening(path))) continue
        breaches.push({ what: `Nobody answers ${agent.name} on its socket.`, hint: `ov inspect ${agent.name}` })
      }
      for (const path of await deadSocketsIn(project.socketDir, [TMUX_SOCKET])) {
        if (!wanted.has(path)) breaches.push({ what: `Nobody listens on the socket ${path}.`, hint: 'ov up' })
      }
      return breaches
    },
  },
  {
    name: 'private-folders',
    promise: 'A private folder belongs to an agent; remembered calls of hooks have their spool.',
    check: ({ project, rows, agents }) => [
      ...listFolder(join(project.stateDir, 'agents'))
        .filter((id) => !agents.has(id))
        .map((id) => ({ what: `The private folder ${id} belongs to no agent.`, hint: 'ov clean' })),
      ...rows.hookAgents.flatMap((id): Breach[] => {
        const agent = agents.get(id)
        if (agent === undefined)
          return [{ what: `Calls of hooks are remembered of an agent nobody knows (${id}).`, hint: 'ov doctor' }]
        const { spool } = hookFolder(privateFolder(project.stateDir, id))
        if (!isOpen(agent) || agent.state === 'queued' || agent.state === 'starting' || existsSync(spool)) return []
        return [{ what: `The spool of ${agent.name} is gone: ${spool}`, hint: `ov inspect ${agent.name}` }]
      }),
    ],
  },
]
