/**
 * States of agents, tasks and merge entries. Stored as facts; whether a process is alive is never
 * stored, it is asked of the kernel.
 *
 * Agent:
 * ```
 *  queued ──► starting ──► working ◄──► waiting(on)
 *    ▲           │            │             │
 *    └─(starter  ▼            ▼             ▼
 *       died)  failed       failed   done · failed · stopped
 * ```
 * Task:
 * ```
 *  queued ──► running ◄──► merging ──► merged
 *                │            └──────► failed
 *                └──► done (nothing to merge) · failed · stopped
 * ```
 */

export const CAPABILITIES = ['coordinator', 'lead', 'scout', 'builder', 'reviewer', 'merger', 'monitor'] as const
export type Capability = (typeof CAPABILITIES)[number]

export const WAITING_ON = ['mail', 'children', 'human', 'merge', 'rate_limit', 'retry', 'budget', 'mode'] as const
export type WaitingOn = (typeof WAITING_ON)[number]

export const AGENT_STATES = ['queued', 'starting', 'working', 'waiting', 'done', 'failed', 'stopped'] as const
export type AgentStateName = (typeof AGENT_STATES)[number]

/** What an agent is doing, as its row says. `until` is a wall-clock time in ms. */
export type AgentState =
  | { readonly name: 'queued' | 'starting' | 'working' }
  | EndState
  | {
      readonly name: 'waiting'
      readonly on: WaitingOn
      readonly until?: number
      /** What a person is to do, where nothing else tells. */
      readonly why?: string
    }

/** How an agent ended. */
export type EndState = { readonly name: 'done' } | { readonly name: 'failed' | 'stopped'; readonly reason: string }

/** States in which an agent holds one of the `maxConcurrent` places. */
export const LIVE_STATES = ['starting', 'working', 'waiting'] as const satisfies readonly AgentStateName[]
/** States in which an agent will still read mail. */
export const OPEN_STATES = ['queued', ...LIVE_STATES] as const satisfies readonly AgentStateName[]

/**
 * How an agent's session is driven: over pipes, as its CLI does it best (`structured`) or over ACP, or on the CLI's own
 * screen, where a person can type along.
 */
export const MODES = ['structured', 'acp', 'interactive'] as const
export type Mode = (typeof MODES)[number]

/**
 * What keeps an agent inside its worktree: a sandbox of its CLI's own (`confined`), a guard that refuses its tools what
 * lies outside (`guarded`: it keeps one that means well, its shell can still write anywhere), or nothing (`unguarded`).
 */
export type Protection = 'confined' | 'guarded' | 'unguarded'

export const TASK_STATES = ['queued', 'running', 'merging', 'merged', 'done', 'failed', 'stopped'] as const
export type TaskState = (typeof TASK_STATES)[number]

/** A task in one of these never changes again, unless a person has one that failed or was stopped tried again (`ov retry`). */
export const FINAL_TASK_STATES = ['merged', 'done', 'failed', 'stopped'] as const satisfies readonly TaskState[]

/** Who or what made a task fail. */
export type FailedBy = 'agent' | 'conflict' | 'gate' | 'setup'

export function isFinal(state: TaskState): boolean {
  return (FINAL_TASK_STATES as readonly TaskState[]).includes(state)
}

/**
 * Merge entry:
 * ```
 *  ready ──► merging ──► merged
 *    ▲          ├──────► rejected  (conflict or red gate; the author gets another turn, which makes a new entry)
 *    └──────────┤ (owner died, or it was not the author's fault)
 *               └──────► dropped   (the task was stopped, or ran out of attempts)
 * ```
 */
export const MERGE_STATES = ['ready', 'merging', 'merged', 'rejected', 'dropped'] as const
export type MergeState = (typeof MERGE_STATES)[number]

/** A landing: under way, through, taken back (nothing of it is left), or left as it was found. */
export type LandingState = 'landing' | 'landed' | 'undone' | 'left'

/**
 * How much a fleet does, from everything to nothing new:
 * - `reduced`: half the places, no worktrees prepared ahead, no model asked about agents that hang
 * - `minimal`: nothing new starts; what runs goes on, and is merged
 * - `read-only`: no turn begins, nothing is merged or landed; turns that run go on to their end, mail is taken
 */
export const LEVELS = ['full', 'reduced', 'minimal', 'read-only'] as const
export type Level = (typeof LEVELS)[number]

/** The exact name rule: what becomes a branch, a tmux session, a mail address. */
export const NAME_PATTERN = /^[a-z][a-z0-9-]{0,39}$/
