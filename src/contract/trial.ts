import type { Mode } from './states.ts'

/**
 * How an agent CLI is put before a scripted model on loopback, so that `ov runtime certify` can see it do real work
 * without an account, a network or a bill. Part of an adapter, so that a twelfth runtime is still one file.
 */
export interface Trial {
  /**
   * Where the CLI comes from, in the version that is certified: an npm package and its program. `scripts` names packages
   * whose install scripts npm has to be allowed to run. Null where npm does not give it.
   */
  readonly npm: {
    readonly name: string
    readonly version: string
    readonly program: string
    readonly scripts?: readonly string[]
    /** Packages it needs and does not name itself, with their versions: what its program is run by. */
    readonly beside?: Readonly<Record<string, string>>
  } | null
  /** What the scripted model has to speak. */
  readonly wire: WireFormat
  /** The machine on which the CLI finds the scripted model and is logged in there. `key` is a secret found nowhere else. */
  setting(model: { readonly url: string; readonly key: string; readonly as: 'key' | 'subscription' }): Setting
  /** A key of the shape that its service gives out, made of `random` (letters, digits, `-`, `_`). */
  key(random: string): string
  /**
   * What a human may have among their own settings and agents must not get: hooks, servers and plugins that run `command`
   * (a shell command) when the CLI starts, instructions that say `words`. Their home's files; those of `setting` that
   * stand there too are replaced, so it says what they say.
   */
  surprises(theirs: { readonly command: string; readonly words: string }): readonly HomeFile[]
  /** How the model calls the CLI's shell tool, by the tools on offer; null where it has none (aider). */
  shell(command: string, tools: readonly string[]): ScriptedCall | null
  /** How the model has the CLI write a file without a shell; null where it can only by its shell. */
  write(path: string, content: string, tools: readonly string[]): ScriptedCall | null
  /** The service's answer when a limit is reached that ends at `resetAt` (seconds); null where it names no time. */
  limit(resetAt: number): ScriptedRefusal | null
  /** The ends of the paths of the programs that are the CLI itself, as the kernel knows them: to find and kill it. */
  readonly executables: readonly string[]
  /** Whether a process of such a program is the CLI, where it starts itself again for its tools. Absent: all are. */
  isItself?(argv: readonly string[]): boolean
  /** What its refusal of a key says, as a regular expression. */
  readonly refused: string
}

/** The wire formats a scripted model can speak: a vendor's API, or Amp's server, which is its CLI's model and more. */
export type WireFormat = 'anthropic' | 'openai-responses' | 'openai-chat' | 'gemini' | 'amp'

export interface Setting {
  /** What the human has in the environment. */
  readonly env: Readonly<Record<string, string>>
  /** What lies in the human's home folder. */
  readonly files: readonly HomeFile[]
  /** The section `runtime.<name>` of the configuration, where it needs one. */
  readonly section?: { readonly args?: readonly string[]; readonly env?: readonly string[]; readonly mode?: Mode }
  /** The model to ask for, where the CLI needs to be told. */
  readonly model?: string
}

/** `path` is relative to the home folder. */
export interface HomeFile {
  readonly path: string
  readonly content: string
}

/** A tool and what it is given: by names, or as one text where the tool takes free text. */
export interface ScriptedCall {
  readonly tool: string
  readonly input: Readonly<Record<string, unknown>> | string
}

/** A refusal by an HTTP status. */
export interface ScriptedRefusal {
  readonly status: number
  readonly type?: string
  readonly message?: string
  readonly headers?: Readonly<Record<string, string>>
  /** What this service says beside type and message. */
  readonly details?: Readonly<Record<string, unknown>>
}
