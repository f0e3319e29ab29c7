import type { Generated } from 'kysely'
import type { MailType, Priority } from '../contract/mail.ts'
import type { NoticeKind } from '../contract/notices.ts'
import type {
  AgentStateName,
  Capability,
  FailedBy,
  LandingState,
  Level,
  MergeState,
  Mode,
  Protection,
  TaskState,
  WaitingOn,
} from '../contract/states.ts'
import type { TroubleKind } from '../watchdog/trouble.ts'

/** The tables as the query builder sees them. Times are integer ms, ids UUIDv7, flags 0 or 1, `*_json` JSON text. */
export interface Schema {
  runs: RunRow
  tasks: TaskRow
  agents: AgentRow
  leases: LeaseRow
  mail: MailRow
  events: EventRow
  merges: MergeRow
  trains: TrainRow
  landings: LandingRow
  usage: UsageRow
  pool: PoolRow
  hook_calls: HookCallRow
  limits: LimitRow
  escalations: EscalationRow
  notifications: NotificationRow
  notify_cursors: NotifyCursorRow
  modes: ModeRow
}

/** How much the fleet is to do: by a person's wish, and by what `ov` has last seen of the load. No row: everything. */
export interface ModeRow {
  set_by: 'human' | 'ov'
  level: Level
  why: string
  /** JSON array of what there was too little of, as `memory:minimal`. */
  shortages_json: string
  since: number
  /** Wall clock ms at which a person's wish ends by itself. */
  until: number | null
}

export interface PoolRow {
  /** Name of its folder, too. */
  id: string
  state: 'making' | 'ready' | 'taken'
  /** The commit it is at, once it is ready. */
  base_sha: string | null
  owner_pid: number | null
  owner_start: string | null
  owner_boot: string | null
  created_at: number
}

export interface RunRow {
  id: string
  name: string
  created_at: number
  /** Set when nothing of the run is open any more and a new run began. */
  ended_at: number | null
}

export interface TaskRow {
  id: string
  run_id: string
  title: string
  body: string
  /** SHA-256 of capability, body and command: the same task twice is refused while one is open. */
  digest: string
  state: TaskState
  /** Why it failed or was stopped. */
  reason: string | null
  /** What failed it, for the exit code; null unless it failed. */
  failed_by: FailedBy | null
  capability: Capability
  /** For `shell`: the command line. */
  command: string | null
  /** JSON array of path prefixes the task is about, or null. */
  files_json: string | null
  base_ref: string | null
  attempts: number
  merged_as: string | null
  created_at: number
  updated_at: number
}

export interface AgentRow {
  id: string
  run_id: string
  task_id: string
  name: string
  capability: Capability
  runtime: string
  model: string | null
  mode: Mode
  /** What keeps it inside its worktree, by its runtime when it was slung; null for agents from before this was noted. */
  protection: Protection | null
  parent_id: string | null
  depth: number
  state: AgentStateName
  waiting_on: WaitingOn | null
  waiting_until: number | null
  /** Why it failed or was stopped, or what a person is to do for whom it waits. */
  reason: string | null
  state_since: number
  branch: string
  /** The commit its branch began at. */
  base_sha: string | null
  /** Relative to the project's root, or to nothing when `worktrees.baseDir` is absolute. */
  worktree: string
  /** Rises with every owner (starter, then runner); a write with an older one is refused. */
  fence: number
  /** Identity of the process that owns it: pid, start time in clock ticks, boot id. */
  owner_pid: number | null
  owner_start: string | null
  owner_boot: string | null
  /** The runtime's own session id. */
  session: string | null
  /** 1 once it said `worker_done` for its current head. */
  claimed_done: number
  reminded: number
  /** 1: it has no end of its own (coordinator, monitor), and its row lives on over stops and starts. */
  persistent: number
  /** By which account it works, as its last runner knew it (`accountName`); null until it had one, or for one that needs none. */
  account: string | null
  /** 1: its runtime was asked for by name, and is replaced by no other. */
  pinned: number
  /** 1 while a turn of its has begun and not ended, whatever became of its runner. */
  mid_turn: number
  /** Turns that have begun. From the first on its worktree holds work of its own. */
  turns: number
  created_at: number
  ended_at: number | null
  last_event_at: number | null
}

export interface LeaseRow {
  resource: string
  fence: number
  owner_pid: number | null
  owner_start: string | null
  owner_boot: string | null
  /** Monotonic ms of `owner_boot`; null when free. */
  expires_at: number | null
}

export interface MailRow {
  id: string
  /** Orders one sender's mail. */
  seq: Generated<number>
  thread_id: string
  reply_to: string | null
  /** Agent id, `human` or `ov`. */
  sender: string
  reader: string
  type: MailType
  priority: Priority
  priority_rank: number
  subject: string
  body: string
  payload_json: string
  created_at: number
  /** When it was last offered to its reader, and by which offer. Only that offer can confirm it. */
  offered_at: number | null
  offer_id: string | null
  /** Identity of the process that made the offer: while it lives, nobody else gets the mail. */
  holder_pid: number | null
  holder_start: string | null
  holder_boot: string | null
  /** When its reader had it for certain. */
  delivered_at: number | null
  bounced_at: number | null
}

export interface EventRow {
  id: Generated<number>
  at: number
  run_id: string | null
  agent_id: string | null
  task_id: string | null
  type: string
  data_json: string
}

export interface MergeRow {
  id: string
  run_id: string
  task_id: string
  agent_id: string
  branch: string
  head_sha: string
  state: MergeState
  /** Fence of the train that last claimed it. */
  fence: number
  /** The commit that is about to be swapped in, written before it is: how a killed train's swap is found again. */
  intended_as: string | null
  merged_as: string | null
  /** Wall clock ms before which it is not tried again after trouble that was not its own. */
  not_before: number
  reason: string | null
  created_at: number
  updated_at: number
}

/** What is known of the merge train of one canonical branch. */
export interface TrainRow {
  branch: string
  /** The newest commit of the branch itself that the train stands on. */
  base_sha: string | null
  /** What the train last moved its ref to. */
  tip_sha: string | null
  /** The train's ref when last all of it was on the branch. */
  landed_sha: string | null
  /** The last tip whose gates were green, and the last that was red by itself, in which gate. */
  green_sha: string | null
  red_sha: string | null
  red_gate: string | null
  /** What keeps the train from going on until a human has acted: the commits it is about, words, the next thing to type. */
  blocked_on: string | null
  blocked_why: string | null
  blocked_hint: string | null
  updated_at: number
}

/** One attempt to bring a checkout along: written before the first file is touched. */
export interface LandingRow {
  id: string
  branch: string
  /** Relative to the project's root. */
  checkout: string
  from_sha: string
  to_sha: string
  state: LandingState
  owner_pid: number | null
  owner_start: string | null
  owner_boot: string | null
  created_at: number
  updated_at: number
}

export interface UsageRow {
  id: string
  agent_id: string
  at: number
  model: string | null
  input: number | null
  output: number | null
  cache_read: number | null
  cache_write: number | null
  cost_usd: number | null
}

/** A call of a hook that has been taken in, as long as its file may still lie in the spool. */
export interface HookCallRow {
  agent_id: string
  /** Name of its file. */
  name: string
}

/** A question about an agent in trouble, put to somebody above it. */
export interface EscalationRow {
  id: string
  agent_id: string
  /** The owner of the agent that is in trouble: a later one has not been yet. */
  fence: number
  /** `state_since` of its row when it was put. */
  state_since: number
  about: TroubleKind
  seen: string
  tried_json: string
  why: string
  options_json: string
  /** Its first mail; all its mails are in this thread. */
  thread: string
  /** The mail by which its present reader was asked, and who that is: an agent's id or `human`. */
  question: string
  reader: string
  /** When that reader was asked: wall clock, and monotonic ms of which boot, by which the time for an answer is counted. */
  asked_at: number
  asked_mono: number
  asked_boot: string
  /** Waits for an answer; has one that is not carried out yet; is carried out; nobody needs an answer any more. */
  state: 'open' | 'answered' | 'done' | 'settled'
  answer: string | null
  /** An agent's id or `human`. */
  answered_by: string | null
  created_at: number
  updated_at: number
}

/** What holds up an account, or did: see `src/limits/rules.ts`. */
export interface LimitRow {
  provider: string
  account: string
  cause: string
  /** Wall clock ms; null: until a person has acted. */
  until: number | null
  until_monotonic: number | null
  /** Of the monotonic times. */
  boot: string
  estimated: number
  setbacks: number
  since: number
  /** The runtime whose agent met it, and what that said. */
  runtime: string
  said: string
  /** The agent that sees whether it is over, and by which fence. */
  probe: string | null
  probe_fence: number | null
  evidence: string | null
  lifted_at: number | null
  next_monotonic: number | null
}

/** Something that a person is told on a channel, or was. */
export interface NotificationRow {
  id: string
  channel: 'desktop' | 'command' | 'webhook'
  /** The event it tells of; once on each channel. */
  event_id: number
  kind: NoticeKind
  title: string
  text: string
  hint: string | null
  state: 'due' | 'sending' | 'sent' | 'given-up'
  /** Under which id it goes out, together with others of the same batch. */
  batch: string | null
  tries: number
  /** Wall clock ms before which it is not sent. */
  not_before: number
  /** What went wrong the last time. */
  error: string | null
  created_at: number
  updated_at: number
}

/** Up to which event a channel was told. */
export interface NotifyCursorRow {
  channel: 'desktop' | 'command' | 'webhook'
  event_id: number
}
