import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../../src/errors.ts'
import type { World } from './world.ts'

/** An event of the database, and when it was first seen there by the harness, in monotonic ms: clocks of the fleet jump. */
interface Seen {
  readonly id: number
  readonly type: string
  readonly agent: string | null
  readonly data: string
  readonly at: number
}

export interface AgentRow {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly waiting_on: string | null
  readonly fence: number
  readonly reason: string | null
  readonly owner_pid: number | null
}

/** Takes down what happens to the fleet, with the harness's own clock. */
export interface Ledger {
  agents(): readonly AgentRow[]
  events(): readonly Seen[]
  /** What could not be read, once each. */
  readonly troubles: ReadonlySet<string>
  close(): Promise<void>
}

const EVERY_MS = 40

export function openLedger({ look }: World): Ledger {
  const events: Seen[] = []
  const troubles = new Set<string>()
  let agents: readonly AgentRow[] = []
  let open = true
  const read = async () => {
    const last = events.at(-1)?.id ?? 0
    const at = performance.now()
    const fresh = await look<Omit<Seen, 'at'>>(
      'SELECT id, type, agent_id AS agent, data_json AS data FROM events WHERE id > ? ORDER BY id',
      last,
    )
    events.push(...fresh.map((event) => ({ ...event, at })))
    agents = await look<AgentRow>(
      'SELECT id, name, state, waiting_on, fence, reason, owner_pid FROM agents ORDER BY name',
    )
  }
  const reading = (async () => {
    while (open) {
      try {
        await read()
      } catch (error) {
        // A full disk keeps readers out, too; what happened meanwhile is read later.
        troubles.add(messageOf(error))
      }
      await delay(EVERY_MS)
    }
  })()
  return {
    agents: () => agents,
    events: () => events,
    troubles,
    close: async () => {
      open = false
      await reading
      await read()
    },
  }
}

/** What is known of an agent, in words: its state, and what happened to it last. */
export function storyOf(ledger: Ledger, name: string): string {
  const agent = ledger.agents().find((one) => one.name === name)
  if (agent === undefined) return 'it is in no book'
  const { id, state, waiting_on: on, reason } = agent
  const last = ledger.events().filter((event) => event.agent === id)
  const words = last.slice(-LAST).map(({ type, data }) => `${type} ${data.slice(0, 160)}`)
  return `it is ${state}${on === null ? '' : ` on ${on}`}${reason === null ? '' : ` (${reason})`} after ${words.join(' · ')}`
}

/** So many events are told. */
const LAST = 6
