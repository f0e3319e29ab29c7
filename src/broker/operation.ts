import type * as z from 'zod'
import type { Agent } from '../agents/store.ts'
import { HUMAN } from '../contract/mail.ts'
import { OvError } from '../errors.ts'
import type { Reader, Transcript } from '../mail/deliver.ts'
import type { Project } from '../project.ts'

/** Who asks: the human at a terminal, or the agent whose socket it came by. Nothing in a request can say otherwise. */
export type Speaker =
  | { readonly kind: 'human' }
  | {
      readonly kind: 'agent'
      readonly agent: Agent
      /** What is in its context, where its runtime lets one look. */
      readonly transcript?: Transcript
    }

/**
 * One thing that can be asked of `ov`: what it takes (made when it is asked for: schemas take their time), and what it
 * does for whom. `gone` aborts when the caller hangs up.
 */
export interface Operation<I extends z.ZodType, R> {
  input(): I
  run(project: Project, speaker: Speaker, input: z.infer<I>, gone: AbortSignal): Promise<R>
}

export function operation<I extends z.ZodType, R>(input: () => I, run: Operation<I, R>['run']): Operation<I, R> {
  return { input, run }
}

/** The speaker's id as a sender of mail. */
export function senderOf(speaker: Speaker): string {
  return speaker.kind === 'human' ? HUMAN : speaker.agent.id
}

/** The speaker as a reader of mail. */
export function readerOf(speaker: Speaker): Reader {
  if (speaker.kind === 'human') return { id: HUMAN }
  const { agent, transcript } = speaker
  return { id: agent.id, ...(transcript === undefined ? {} : { transcript }) }
}

/** @throws {OvError} `broker.agents-only` when the human asks for what only an agent can do. */
export function agentOnly(speaker: Speaker, what: string): Agent {
  if (speaker.kind === 'agent') return speaker.agent
  throw new OvError('user', 'broker.agents-only', `${what} is for agents: you are not inside one.`, {
    hint: 'Speak to an agent with: ov nudge NAME "…" or ov mail send',
  })
}
