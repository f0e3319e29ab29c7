import type { Capability } from '../contract/states.ts'

/** What a capability is: who it may be and what it may do. */
export interface Role {
  readonly readOnly: boolean
  readonly maySpawn: boolean
  readonly runtime?: string
  readonly model?: string
  /** Path of an instructions file that replaces the built-in one, relative to the project. */
  readonly instructions?: string
  /** Tools the role is meant to use, in words for its instructions. */
  readonly tools?: readonly string[]
}

/** One role for each capability, as a project has them. */
export type Roles = Readonly<Record<Capability, Role>>

export const BUILT_IN_ROLES: Roles = {
  coordinator: { readOnly: true, maySpawn: true },
  lead: { readOnly: false, maySpawn: true },
  scout: { readOnly: true, maySpawn: false },
  builder: { readOnly: false, maySpawn: false },
  reviewer: { readOnly: true, maySpawn: false },
  merger: { readOnly: false, maySpawn: false },
  monitor: { readOnly: true, maySpawn: false },
}
