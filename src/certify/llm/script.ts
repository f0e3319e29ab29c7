import type { ScriptedCall, ScriptedRefusal, Trial } from '../../contract/trial.ts'

/**
 * What a scripted model is asked and what it answers, in no vendor's words. A wire format (anthropic.ts) turns
 * requests into `Ask`s and `Reply`s into bytes.
 */

/** One request to the model. */
export interface Ask {
  readonly model: string
  readonly system: string
  readonly messages: readonly Message[]
  /** Names of the tools on offer. A request with none is a side request: a title, a summary. */
  readonly tools: readonly string[]
  readonly stream: boolean
  /** The client did not ask for the counts of tokens, where its service gives them to those only that do. */
  readonly uncounted?: true
}

export interface Message {
  readonly role: 'user' | 'assistant'
  /** All its text, tool calls and tool results left out. */
  readonly text: string
  readonly toolCalls: readonly { readonly id: string; readonly name: string; readonly input: unknown }[]
  readonly toolResults: readonly { readonly id: string; readonly text: string; readonly isError: boolean }[]
}

export type Reply =
  | { readonly is: 'message'; readonly text: string; readonly calls: readonly ScriptedCall[] }
  | {
      readonly is: 'error'
      readonly status: number
      readonly type: string
      readonly message: string
      readonly headers: Readonly<Record<string, string>>
      /** What this service says beside type and message. */
      readonly details: Readonly<Record<string, unknown>>
    }
  /** Never an answer. */
  | { readonly is: 'hang' }
  /** Some text, then the connection is cut. */
  | { readonly is: 'drop'; readonly text: string }

/** How the model gets things done by the tools of the CLI that asks: that CLI's adapter knows. */
export type Hands = Pick<Trial, 'shell' | 'write'>

/** One move of the model. A `lasting` one answers every request from then on, or for as long as it says so. */
export interface Step {
  reply(ask: Ask, hands: Hands): Reply | Promise<Reply>
  readonly lasting?: true | (() => boolean)
}

/** The model speaks and ends its turn. */
export function say(text: string): Step {
  return { reply: () => ({ is: 'message', text, calls: [] }) }
}

/** The model calls a tool; `input` may be made from what it was asked. */
export function call(tool: string, input: Input | ((ask: Ask) => Input), text = ''): Step {
  return {
    reply: (ask) => ({
      is: 'message',
      text,
      calls: [{ tool, input: typeof input === 'function' ? input(ask) : input }],
    }),
  }
}

type Input = ScriptedCall['input']

/** The model runs a command by the shell tool that its CLI offers. */
export function shell(command: string): Step {
  return { reply: ({ tools }, hands) => byHand(hands.shell(command, tools), 'shell', tools) }
}

/** The model has its CLI write a file, by a tool that is no shell. */
export function write(path: string, content: string): Step {
  return { reply: ({ tools }, hands) => byHand(hands.write(path, content, tools), 'tool that writes', tools) }
}

function byHand(made: ScriptedCall | null, what: string, tools: readonly string[]): Reply {
  if (made === null) throw new Error(`no ${what} among ${tools.join(', ')}`)
  return { is: 'message', text: '', calls: [made] }
}

/** The service refuses, by an HTTP status. */
export function refuse(
  status: number,
  {
    type = ERROR_TYPES[status] ?? 'api_error',
    message = `scripted error ${status}`,
    headers = {},
    details = {},
  }: Omit<ScriptedRefusal, 'status'> = {},
): Step {
  return { reply: () => ({ is: 'error', status, type, message, headers, details }) }
}

/** The names the services themselves give to these statuses. */
const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  529: 'overloaded_error',
}

export function hang(): Step {
  return { reply: () => ({ is: 'hang' }) }
}

export function drop(text = 'cut in the mid'): Step {
  return { reply: () => ({ is: 'drop', text }) }
}

/** From here on, always this. */
export function always(step: Step): Step {
  return { ...step, lasting: true }
}

/** From here on this, until a time in ms since the epoch; then the script goes on. */
export function before(time: number, step: Step): Step {
  return { ...step, lasting: () => Date.now() < time }
}

/** A step that waits for the test's hand. */
export interface Held extends Step {
  /** Resolves with the request once the model has been asked. */
  readonly reached: Promise<Ask>
  release(): void
}

export function held(step: Step): Held {
  const reached = Promise.withResolvers<Ask>()
  const released = Promise.withResolvers<void>()
  return {
    reached: reached.promise,
    release: () => released.resolve(),
    async reply(ask, hands) {
      reached.resolve(ask)
      await released.promise
      return step.reply(ask, hands)
    },
  }
}
