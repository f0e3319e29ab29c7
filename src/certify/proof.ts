import type { FailureCause } from '../contract/runtime.ts'
import type { Stage, StageOptions, TriedRuntime } from './stage.ts'

/** A promise that `ov` makes of an agent CLI, and how it is seen to be kept. */
export interface Proof {
  /** `^[a-z][a-z0-9-]*$`, the same for ever: certificates name it. */
  readonly id: string
  /** The promise, as a sentence about the agent. */
  readonly title: string
  /** Why it is not promised of this runtime; null where it is. Absent: it is promised of all. */
  readonly unclaimed?: (runtime: TriedRuntime) => string | null
  /** What is different about its stage. */
  readonly stage?: StageOptions
  /** Sees it kept, or throws `Unproved` with what was seen instead. */
  run(stage: Stage): Promise<Seen>
}

/** What was seen. */
export interface Seen {
  /** What `ov` took a failure for. */
  readonly cause?: FailureCause
  /** What `ov` did, in a few words. */
  readonly did?: string
  /** How long it took until a failure was told, in ms. Absent: what counts is how long it all took. */
  readonly tookMs?: number
}
