import { type Agent, isOpen } from '../agents/store.ts'
import type { WorktreeInfo } from '../os/git.ts'
import { liveness, type ProcessIdentity, type Stat } from '../os/process.ts'
import type { Project } from '../project.ts'
import type { Rows } from './store.ts'

/** Something that is not as it must be. */
export interface Breach {
  /** One sentence, the same at every look while it lasts. */
  readonly what: string
  /** The next thing to type. */
  readonly hint: string
}

/** What must be true of a project at any moment, whatever was killed when. */
export interface Invariant {
  /** Stable, for scripts. */
  readonly name: string
  /** One sentence: what is true. */
  readonly promise: string
  check(look: Look): Breach[] | Promise<Breach[]>
}

/** All that the checks look at, read as nearly at one moment as can be. */
export interface Look {
  readonly project: Project
  /** The canonical branch; null in a repository that has none. */
  readonly branch: string | null
  readonly rows: Rows
  readonly agents: ReadonlyMap<string, Agent>
  readonly trees: readonly WorktreeInfo[]
  readonly processes: readonly Stat[]
  /** Live processes of agents, by the marker in their environment: the agent's id and its broker's socket. */
  readonly marked: readonly { readonly who: Stat; readonly agentId: string; readonly broker: string | null }[]
}

/** The columns by which a row names its owner. */
export interface Owned {
  readonly owner_pid: number | null
  readonly owner_start: string | null
  readonly owner_boot: string | null
}

/** The process that owns a row, or null. */
export function ownerIn(row: Owned): ProcessIdentity | null {
  const { owner_pid: pid, owner_start: start, owner_boot: boot } = row
  return pid === null || start === null || boot === null ? null : { pid, start, boot }
}

/**
 * Whether the owner of a row may be at it: then what the row says is in motion, not broken. What the kernel can't tell
 * counts as living.
 */
export function hasLivingOwner(row: Owned): boolean {
  const owner = ownerIn(row)
  return owner !== null && liveness(owner) !== 'gone'
}

/** Whether anybody is at work who would put right what another left in the middle. */
export function isAttended({ rows }: Look): boolean {
  const atWork = rows.agents.filter((agent) => isOpen(agent) && agent.state !== 'queued')
  const held = rows.leases.filter((lease) => lease.expires_at !== null)
  return [...atWork, ...held, ...rows.landings, ...rows.pool].some(hasLivingOwner)
}
