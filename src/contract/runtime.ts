import type { Trial } from './trial.ts'

/**
 * The one interface behind which every agent CLI stands. An adapter *describes*, the engine does:
 * it never touches the disk, never spawns, never throws. Everything it is given is plain data, and
 * everything it returns is plain data. What it does not understand it reports as `unknown`.
 */

export type RuntimeId = string

/**
 * How the engine drives a session of this plan.
 * - `duplex`: one long-lived process; prompts are frames on stdin, events are lines on stdout
 *   (claude stream-json, codex app-server, pi rpc, sapling rpc, and ACP, whose frames are lines too).
 * - `turn`: one process a turn, resumed by session id or name (gemini, copilot, goose, cursor, amp, aider, shell).
 * - `serve`: a server on loopback; prompts are HTTP requests, events an SSE stream (opencode).
 * - `interactive`: the CLI's own screen in a tmux pane; prompts are pasted.
 *
 * docs/adr/0003-runtime-contract.md has the table of all eleven.
 */
export type Protocol = 'duplex' | 'turn' | 'serve' | 'interactive'

/** A file the engine writes before the launch. `path` is relative to the agent's private folder, which no commit can reach. */
export interface PlannedFile {
  readonly path: string
  readonly content: string
  readonly executable?: boolean
}

/**
 * A link the engine makes in the private folder to a file of the human's, so that a CLI with a config folder of the
 * agent's own shares the human's login, and renews it in its one place. Not made where there is no such file.
 */
export interface PlannedLink {
  /** Relative to the private folder. */
  readonly path: string
  /** Absolute. */
  readonly to: string
  /** A copy of the file as it is now instead of a link: what the agent changes there is its own. */
  readonly copy?: true
}

/** What an adapter may know about the session it is asked to describe. Paths are absolute. */
export interface SessionSpec {
  /** The agent's name in `ov`, `^[a-z][a-z0-9-]{0,39}$`. */
  readonly agent: string
  /** An id the engine chose for this session (UUID), for runtimes that let one choose an id or a name. */
  readonly sessionId: string
  /**
   * Present when an earlier process of this session ran and `can.resume`: the id that runtime reported by `started`,
   * or `sessionId` where it reports none (goose, aider).
   */
  readonly resume?: string
  readonly worktree: string
  /** Folders outside the worktree that git writes to when the agent commits. They exist. */
  readonly gitFolders: readonly string[]
  /** The agent's private folder outside the worktree: config, hooks, prompt files. Its `bin/` is first on the agent's PATH. */
  readonly privateDir: string
  /**
   * Absolute path of this agent's `ov-hook`, present where the session shall report by hooks: with its own screen, or
   * where a protocol alone can't refuse a tool. `deployHooks` then names it in the runtime's settings, as
   * `hookCommand` (src/contract/json-hooks.ts) phrases it. Absent: the protocol says it all, and no process is started.
   */
  readonly hook?: string
  /** The model to use, in this runtime's own vocabulary; absent means the runtime's default. */
  readonly model?: string
  /** Standing instructions: the role, the task overlay, how to speak to `ov`. */
  readonly instructions: string
  /** The prompt of this turn. */
  readonly prompt: string
  /** For agents that are a command (`shell`): the command line, as the human gave it. */
  readonly command?: string
  readonly readOnly: boolean
  /** The exact set of tools it may use, in this runtime's own names; absent means the runtime's default. */
  readonly tools?: readonly string[]
  /** What the agent sees of the host's environment, the plan's own additions left out. */
  readonly environment: Readonly<Record<string, string>>
  /** Root needs other permission flags in some CLIs. */
  readonly root: boolean
  /** By whom its commits are, for CLIs that hide the human's git configuration from their tools. Absent: nobody is configured. */
  readonly author?: Author
  /** Extra arguments from `runtime.<name>.args`. */
  readonly extraArgs: readonly string[]
  /** File whose content is the feedback of the last attempt, present from the second attempt on. */
  readonly feedbackFile?: string
  /** Present for a session on the CLI's own screen: what it takes to answer its dialogs beforehand. */
  readonly interactive?: InteractiveFacts
}

/** By whom a commit is, as git has it. */
export interface Author {
  readonly name: string
  readonly email: string
}

/** What an adapter may know about a session on the CLI's own screen. Paths are absolute. */
export interface InteractiveFacts {
  /** The repository's main checkout, by which some CLIs know whom they trust. */
  readonly repository: string
}

/** How to run it. `argv` is never joined into a shell string; a name out of `binaries` in its first place becomes the program's path. */
export interface LaunchPlan {
  readonly protocol: Protocol
  readonly argv: readonly string[]
  /** Added to the allow-listed environment; wins over it. */
  readonly env: Readonly<Record<string, string>>
  readonly files: readonly PlannedFile[]
  readonly links?: readonly PlannedLink[]
  /** `turn`: the prompt on stdin, then EOF. Absent: stdin is empty. */
  readonly stdin?: string
  /** `turn`: stdin takes frames into the running turn, and is closed when that has ended. Not with `stdin`. */
  readonly control?: true
  /** `duplex`: frames written at once after the start, before the first prompt (handshakes). */
  readonly hello?: readonly Frame[]
  /**
   * How the first prompt gets there: already in argv, stdin or a file (`included`), by `sendInput` at once after
   * `hello` (`at-once`; `interactive`: as soon as its screen is ready), or by `sendInput` as soon as `started` was read, whose session id the frame needs
   * (`after-started`: codex app-server, ACP).
   */
  readonly firstPrompt: 'included' | 'at-once' | 'after-started'
  /** `serve`: how its server is reached. */
  readonly service?: Service
  /** Files of the private folder whose content `exited` wants to see: usage that is not on stdout (copilot, sapling). */
  readonly collect?: readonly string[]
}

/** A server on loopback that the CLI opens for this session alone. */
export interface Service {
  /** A regular expression for the line of stdout that says it is ready; its first group is the server's address. */
  readonly ready: string
  /** By which the engine is let in: a user's name, and the variable that tells the server the password the engine made up. */
  readonly login: { readonly user: string; readonly variable: string }
  /** The path of the stream of events. */
  readonly events: string
  /** A stream that brings nothing for so long is dead, in ms. */
  readonly quietMs: number
}

/** One message to a running agent. `via: 'http'`: what is answered comes to `read` as the line of a `ServerAnswer`. */
export type Frame =
  | { readonly via: 'stdin'; readonly line: string }
  | { readonly via: 'http'; readonly method: string; readonly path: string; readonly body?: unknown }

/** What a server answered, as a line for `read`. */
export interface ServerAnswer {
  /** Method and path of the request, with a space between. */
  readonly answer: string
  readonly status: number
  /** Its JSON, or its text where that is none. */
  readonly body: unknown
}

/** `paste`: text for the prompt of its screen, where `facts.interactive`. What would be a command there is made text. */
export type Input = { readonly by: 'frame'; readonly frame: Frame } | { readonly by: 'paste'; readonly text: string }

/** What the engine knows of the running session, handed to `sendInput`, `answer` and `interrupt`. */
export interface SessionFacts {
  /** The runtime's own session or thread id, once `started` told it. */
  readonly session?: string
  /** The id of the running turn, where the runtime names turns. */
  readonly turn?: string
  readonly busy: boolean
  /** The session is on the CLI's own screen. */
  readonly interactive?: true
  /** A counter that rises with every frame of this session, for request ids. */
  readonly sequence: number
}

/** Why a turn or a session failed, in one vocabulary for all runtimes. */
export type FailureCause =
  | 'auth'
  | 'rate_limit'
  | 'quota'
  | 'overloaded'
  | 'network'
  | 'model'
  | 'context'
  | 'limit'
  | 'refused'
  | 'interrupted'
  | 'crash'
  | 'unknown'

/** Token counts. `null` means the runtime does not say, which is not zero. */
export interface Usage {
  readonly input: number | null
  readonly output: number | null
  readonly cacheRead: number | null
  readonly cacheWrite: number | null
  /** US dollars, as the runtime itself reports them. */
  readonly costUsd: number | null
  readonly model?: string
}

/** What a running agent reports. One union for all runtimes; once started, failure is an event too. */
export type AgentEvent =
  | { readonly type: 'started'; readonly session?: string; readonly model?: string; readonly version?: string }
  | { readonly type: 'turn_start'; readonly turn?: string }
  /**
   * The runtime took this prompt into its context. `text` is its echo; null where it says only that it took one: then it
   * is the oldest that was given to this process and not accepted.
   */
  | { readonly type: 'accepted'; readonly text: string | null }
  /** `piece`: part of a text that comes in several; the engine joins those that follow one another, as they are. */
  | { readonly type: 'text'; readonly text: string; readonly piece?: true }
  /** `input`: all of it, where the runtime tells: by it a call is known to be the same as an earlier one. */
  | {
      readonly type: 'tool_start'
      readonly id: string
      readonly tool: string
      readonly summary: string
      readonly input?: unknown
    }
  | { readonly type: 'tool_end'; readonly id: string; readonly ok: boolean; readonly summary: string }
  /**
   * `added`: the counts come on top of all earlier ones (a turn, a step, a message). `total`: of the session so far;
   * the engine subtracts, and a total that fell has begun anew (one process of a resumed session). Counts and cost may
   * differ in this: claude reports a turn's tokens and the session's dollars.
   */
  | {
      readonly type: 'usage'
      readonly usage: Usage
      readonly scope: 'added' | 'total'
      readonly costScope: 'added' | 'total'
    }
  | { readonly type: 'rate_limited'; readonly resetAt: number | null; readonly message: string }
  /** `until`: when it tries again, ms since the epoch, where it says so; then `delayMs` is the pause it makes by itself. */
  | {
      readonly type: 'retrying'
      readonly attempt: number
      readonly delayMs: number
      readonly cause: FailureCause
      readonly until?: number
      readonly message?: string
    }
  | { readonly type: 'waiting'; readonly why: 'permission' | 'input'; readonly message: string }
  /** The runtime asks before it acts; the engine decides and `answer` says it. */
  | { readonly type: 'ask'; readonly ask: Ask }
  /** `claim: 'done'` where the process ending well is itself the agent's word that it is done (`can.reports: 'exit'`). */
  | { readonly type: 'turn_end'; readonly claim?: 'done'; readonly text?: string }
  | { readonly type: 'failed'; readonly cause: FailureCause; readonly message: string; readonly resetAt?: number }
  | { readonly type: 'unknown'; readonly line: string }

/** A question of the runtime's that blocks it until it is answered. */
export interface Ask {
  /** Request id, given back by `answer`. */
  readonly id: string
  readonly when: 'before_tool' | 'after_tool' | 'prompt' | 'stop'
  readonly tool?: string
  /** What the tool would write, absolute or relative to the worktree, where the runtime names it: a file, or several. */
  readonly writes?: string | readonly string[]
  /** A tool that would wait for a human's click. */
  readonly interactive?: boolean
  /** What the adapter itself needs to phrase the answer (ACP: the ids of the options); plain data, the engine hands it back. */
  readonly data?: unknown
}

export type Verdict =
  | { readonly allow: true; readonly context?: string }
  | { readonly allow: false; readonly reason: string }

/**
 * The moments at which a CLI may call `ov-hook`, whatever it calls them itself: a prompt enters the context, a tool is
 * about to run or has run (also in vain), a turn ends, the context is about to be compacted.
 */
export const HOOK_EVENTS = [
  'session-start',
  'prompt',
  'tool-start',
  'tool-end',
  'stop',
  'session-end',
  'notification',
  'compact',
] as const

export type HookEvent = (typeof HOOK_EVENTS)[number]

/** What a hook's process prints and how it exits. */
export interface HookOutput {
  readonly stdout: string
  readonly stderr: string
  readonly exit: number
}

/** How the process ended. Exactly one of `code` and `signal` is set. */
export interface ProcessExit {
  readonly code: number | null
  readonly signal: string | null
  /** The last lines of stderr, at most 4 KiB. */
  readonly stderrTail: string
  /** The last lines of stdout, at most 4 KiB. */
  readonly stdoutTail: string
  /** What the plan wanted collected, by path; absent what the process did not write. */
  readonly collected: Readonly<Record<string, string>>
}

/** What an interactive pane shows. `answer`: names of keys, as tmux knows them; null where a person must answer. */
export type Screen =
  | { readonly is: 'loading' }
  | { readonly is: 'dialog'; readonly about: string; readonly answer: readonly string[] | null }
  /** Ready for a prompt; `typed` is what stands in its box and was not sent. */
  | { readonly is: 'idle'; readonly typed: string }
  | { readonly is: 'busy' }
  | { readonly is: 'unknown' }

/** What a runtime truly supports. The engine asks this, it never guesses. */
export interface Can {
  readonly structured: Exclude<Protocol, 'interactive'> | false
  /** It can be slung on its own screen: `start` has a plan for `session.interactive`, `screen` knows what it shows. */
  readonly interactive: boolean
  readonly resume: boolean
  /** A prompt sent while busy reaches the running turn. */
  readonly steer: boolean
  /** Tool calls can be refused before they run. */
  readonly block: boolean
  /** What the model runs is confined to the worktree by a sandbox of the CLI's own. */
  readonly confines?: boolean
  /** Text can be brought into the context between prompts. */
  readonly inject: boolean
  /** It reports tokens; and what they cost. */
  readonly usage: boolean
  readonly cost: boolean
  /** `mail`: the agent itself says it is done (`ov done`). `exit`: a turn that ends well is the claim, and the engine reports for it. */
  readonly reports: 'mail' | 'exit'
  /** It understands a prompt. A command (`shell`) does not: it is only run again, with feedback in a file. */
  readonly prompts: boolean
  /** Its prompts are echoed as `accepted`, so that hand-over can be proved. Otherwise `turn_start` stands in, and mail is at-least-once. */
  readonly echo: boolean
}

/** Where an offline look can tell whether somebody is logged in. */
export interface LoginEvidence {
  /** Environment variables, any of which holds a key. */
  readonly env: readonly string[]
  /** Files under the home folder, any of which is a stored login. */
  readonly files: readonly string[]
  /** The command a person types to log in. */
  readonly hint: string
}

/**
 * A one-shot question: triage, conflict resolution. It must have no side effects: no tools, no session on disk.
 * All of stdout is the answer, unless it `reports`; an exit code other than 0 is a failure.
 */
export interface OneShot {
  readonly argv: readonly string[]
  readonly stdin?: string
  readonly env: Readonly<Record<string, string>>
  /** For a CLI whose exit code says nothing: what matches stdout, trimmed, as a regular expression, when it is a failure and no answer. */
  readonly refusal?: string
  /** Its stdout is lines that `read` understands: the answer is the text of its `turn_end`, and it tells what it used. */
  readonly reports?: true
  /** Written before it is asked, in the folder that `privateDir` named; what is shared with the human is linked there. */
  readonly files?: readonly PlannedFile[]
  readonly links?: readonly PlannedLink[]
}

/** Where a runtime keeps a session's conversation, for the engine to look up whether mail arrived. */
export interface TranscriptFacts {
  /** The file is below `folder` and its path ends with `endsWith`. */
  locate(
    session: string,
    place: Pick<SessionSpec, 'environment' | 'privateDir' | 'interactive'>,
  ): { readonly folder: string; readonly endsWith: string }
  /** Prompts and tool outputs in one line of it that entered the context; none in any other line. Never throws. */
  entered(line: string): readonly string[]
  /**
   * Whether the conversation is written anew with this line: of what stood before, only what `entered` says of it is
   * still in the context. Absent where nothing is ever taken back. Never throws.
   */
  renews?(line: string): boolean
  /**
   * The tokens that one line of it tells of, where a session on its own screen tells them nowhere else; null for any
   * other line. Of lines with the same `request` the last holds. Never throws.
   */
  used?(line: string): { readonly request: string; readonly event: Extract<AgentEvent, { type: 'usage' }> } | null
}

/** `serve`: what the engine has to know of a stream that carries several sessions and can be cut. Nothing in it throws. */
export interface StreamFacts {
  /**
   * Whose line it is, where it is one session's; and the name under which it is passed on only once, where it may come
   * a second time.
   */
  of(line: string): { readonly session?: string; readonly once?: string }
  /** The requests whose answers tell what a cut stream did not, and the state of things last. */
  missed(facts: SessionFacts): readonly Frame[]
  /** The lines that the stream would have brought, by the line of such an answer. */
  caughtUp(answer: string, facts: SessionFacts): readonly string[]
}

export interface AgentRuntime {
  readonly id: RuntimeId
  readonly title: string
  /** Names looked for on PATH, in this order. Empty: nothing needs to be installed. */
  readonly binaries: readonly string[]
  /**
   * Where the program on PATH only launches another: what to run instead, by platform and architecture as Node names
   * them (`linux-x64`), relative to the folder the program really lies in. The first that is there; else the launcher.
   */
  readonly behind?: Readonly<Record<string, readonly string[]>>
  /** Arguments that print the version. */
  readonly versionArgs: readonly string[]
  /**
   * The line of that output that this CLI alone prints; the first group is the version. Absent: any line that begins with
   * a version, or with a few words before it. Other programs have the same names (`goose`, `pi`, `amp`).
   */
  readonly saysVersion?: RegExp
  /** Versions this adapter did real work with: certified are those from the lowest to the highest of them. */
  readonly certified: readonly string[]
  /** How a person installs it. */
  readonly install: string
  readonly login: LoginEvidence
  readonly can: Can
  /** Names of the host's environment variables this runtime needs to see, beyond the engine's allow-list. `*` at the end matches any rest. */
  readonly environment: readonly string[]
  /** Model aliases that only this runtime understands. Any other name is passed as it is. */
  readonly models: Readonly<Record<string, string>>
  /**
   * The names of its vendor's models, of a CLI that takes no others: another vendor's are refused before they reach it,
   * and its own never reach another such CLI. Absent: it takes models of several vendors.
   */
  readonly ownModels?: RegExp
  /** The variables by which it takes another address than its vendor's, and the key for there. Absent: not by variables. */
  readonly gateway?: { readonly baseUrl: string; readonly key: string }

  start(session: SessionSpec): LaunchPlan
  sendInput(text: string, facts: SessionFacts): Input
  deployHooks(session: SessionSpec): readonly PlannedFile[]
  /** @param options.privateDir a folder of this question's own, for CLIs that can be kept from side effects only by files; absolute */
  getPromptCommand(
    text: string,
    options: {
      readonly model?: string
      readonly extraArgs?: readonly string[]
      /** An empty folder for its files, other than the one it is run in; absolute. */
      readonly privateDir?: string
      /** What it will see of the host's environment. */
      readonly environment?: SessionSpec['environment']
    },
  ): OneShot | null
  /**
   * One line of stdout (or one SSE datum), without its line break. Never throws and keeps no state. A line it does not
   * know is `unknown`; one that it knows and that says nothing to the engine is an empty list.
   */
  read(line: string): readonly AgentEvent[]
  /**
   * Whether such a line answers a request of the engine's, or says no more than that the program is there. A program whose
   * model hangs says that too: it is no sign of work. Cheap, as each line is asked about. Absent: none does.
   */
  saysNothing?(line: string): boolean
  /** Present where `start` plans `serve`. */
  readonly stream?: StreamFacts
  /** The process ended. For `duplex` an end during a turn is a failure; for `turn` it ends the turn. */
  exited(exit: ProcessExit): readonly AgentEvent[]
  /** The frame that answers an `ask` event; null for runtimes that never ask. */
  answer(ask: Ask, verdict: Verdict, facts: SessionFacts): Frame | null
  /**
   * The meaning of one call of `ov-hook`, by the JSON the CLI gave it (`payload`, as parsed; anything may come). What is
   * not understood is `unknown`. Where the CLI waits for a verdict an `ask` stands first: the engine decides it for calls
   * that wait, and passes over it for those that only record. Never throws and keeps no state. Absent: it has no hooks.
   */
  readHook?(event: HookEvent, payload: unknown): readonly AgentEvent[]
  /** How a verdict is said to the call that waits for it. An allowing verdict without context objects to nothing. */
  answerHook?(event: HookEvent, verdict: Verdict): HookOutput
  /**
   * Its protocol alone can't refuse a tool, or take in mail in the middle of a turn: without a screen of its own too it
   * gets `SessionSpec.hook`. What happens its protocol tells, so of a hook's meaning only the question counts then.
   */
  readonly hooksBeside?: true
  /** How a running turn is stopped without ending the session; null where only a signal helps. */
  interrupt(facts: SessionFacts): Frame | null
  /** The signal on which the CLI stops cleanly. */
  readonly stopSignal: 'SIGTERM' | 'SIGINT'
  /** Absent where it keeps none that can be read. */
  readonly transcript?: TranscriptFacts
  /** How `ov runtime certify` has it do real work for a scripted model. Absent for a command. */
  readonly trial?: Trial
  /** How it is driven over ACP, where that is configured (`runtime.<name>.mode`), as far as it differs. Absent: it isn't. */
  readonly acp?: Pick<AgentRuntime, 'can' | 'start' | 'sendInput' | 'read' | 'exited' | 'answer' | 'interrupt'>
  /** Interactive mode only: what the pane shows. */
  screen(pane: { readonly text: string; readonly title: string }): Screen
}
