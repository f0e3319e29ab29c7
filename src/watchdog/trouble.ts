/**
 * What is wrong with an agent that lives: found by the mechanical tier, which has done what it could, and handed up from
 * tier to tier. It is about one owner of the agent (its fence): a later one has not been in trouble yet.
 */
export interface Trouble {
  readonly agent: string
  readonly fence: number
  readonly about: TroubleKind
  /** How long it has been so, in ms of watched time. */
  readonly ms: number
  /** What is seen, in a sentence for people and models: `It has shown nothing for 6 minutes.` */
  readonly seen: string
  /** What was tried against it already, oldest first, a sentence each. */
  readonly tried: readonly string[]
}

/**
 * - `silence`: it works, and shows nothing.
 * - `loop`: it does the same thing, or meets the same error, again and again.
 * - `dialog`: its screen asks a person something that no policy answers.
 * - `deadline`: its task has taken longer than its capability may.
 */
export const TROUBLES = ['silence', 'loop', 'dialog', 'deadline'] as const
export type TroubleKind = (typeof TROUBLES)[number]

/** The trouble that the data of an event is about. */
export function aboutOf(data: string): unknown {
  return JSON.parse(data).about ?? 'silence'
}
