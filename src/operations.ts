import * as z from 'zod'
import { claimDone, giveUp } from './agents/claim.ts'
import { type SlingRequest, sling } from './agents/sling.ts'
import { type Agent, findAgent } from './agents/store.ts'
import { HUMAN, PRIORITIES, SENDABLE_TYPES } from './contract/mail.ts'
import { CAPABILITIES } from './contract/states.ts'
import { write } from './db/open.ts'
import { OvError } from './errors.ts'
import { frameMail } from './mail/frame.ts'
import { nameOf, reportsTo, sendMail } from './mail/send.ts'
import { confirmMail, offerMail } from './mail/store.ts'
import type { Project } from './project.ts'
import { outcomeOf } from './tasks/outcome.ts'
import { waitForTask } from './tasks/wait.ts'

/** Who asks: the human at a terminal, or the agent whose socket it came by. Nothing in a request can say otherwise. */
export type Speaker = { readonly kind: 'human' } | { readonly kind: 'agent'; readonly agent: Agent }

/** Mail offered to a reader is offered again when it isn't confirmed within this time. */
export const OFFER_LEASE_MS = 30_000

interface Operation<I extends z.ZodType, R> {
  readonly input: I
  run(project: Project, speaker: Speaker, input: z.infer<I>, gone: AbortSignal): Promise<R>
}

function operation<I extends z.ZodType, R>(input: I, run: Operation<I, R>['run']): Operation<I, R> {
  return { input, run }
}

const sender = (speaker: Speaker) => (speaker.kind === 'human' ? HUMAN : speaker.agent.id)

function agentOnly(speaker: Speaker, what: string): Agent {
  if (speaker.kind === 'agent') return speaker.agent
  throw new OvError('user', 'broker.agents-only', `${what} is for agents: you are not inside one.`, {
    hint: 'Speak to an agent with: ov nudge NAME "…" or ov mail send',
  })
}

/**
 * Everything that can be asked of `ov` from inside an agent as well as outside. A command calls one of these; inside
 * an agent the call goes through the broker, outside it runs here. One table, two doors.
 */
export const OPERATIONS = {
  sling: operation(
    z.strictObject({
      capability: z.enum(CAPABILITIES),
      task: z.string(),
      name: z.string().optional(),
      runtime: z.string().optional(),
      model: z.string().optional(),
      base: z.string().optional(),
      files: z.array(z.string()).optional(),
      command: z.string().optional(),
      again: z.boolean().optional(),
      queue: z.boolean().optional(),
    }),
    async (project, speaker, input) =>
      sling(project, speaker.kind === 'agent' ? speaker.agent : null, input as SlingRequest),
  ),
  'task.wait': operation(
    z.strictObject({ task: z.string(), timeoutMs: z.number().optional() }),
    async (project, _speaker, input, gone) => {
      await waitForTask(project, input.task, {
        ...(input.timeoutMs === undefined ? {} : { timeoutMs: input.timeoutMs }),
        gone,
      })
      return outcomeOf(project.db, input.task)
    },
  ),
  done: operation(
    z.strictObject({ summary: z.string(), noChanges: z.boolean().optional() }),
    (project, speaker, input) =>
      claimDone(project, agentOnly(speaker, 'ov done'), {
        summary: input.summary,
        noChanges: input.noChanges ?? false,
      }),
  ),
  fail: operation(z.strictObject({ reason: z.string() }), (project, speaker, input) =>
    giveUp(project, agentOnly(speaker, 'ov fail'), input.reason),
  ),
  ask: operation(
    z.strictObject({ question: z.string(), to: z.string().optional(), options: z.array(z.string()).optional() }),
    async (project, speaker, input) => {
      const agent = agentOnly(speaker, 'ov ask')
      const to = input.to ?? (await reportsTo(project.db, agent))
      const [mail] = await sendMail(project, {
        from: agent.id,
        to,
        type: 'question',
        priority: 'high',
        subject: input.question.split('\n')[0]?.slice(0, 120) ?? '',
        body: input.question,
        payload: input.options === undefined ? {} : { options: input.options },
      })
      return { mail: mail?.id ?? '', to: await nameOf(project.db, mail?.reader ?? to) }
    },
  ),
  'mail.send': operation(
    z.strictObject({
      to: z.string(),
      subject: z.string(),
      body: z.string(),
      type: z.enum(SENDABLE_TYPES),
      priority: z.enum(PRIORITIES),
      payload: z.unknown().optional(),
    }),
    async (project, speaker, input) => {
      const sent = await sendMail(project, { ...input, from: sender(speaker) })
      return {
        sent: await Promise.all(sent.map(async (mail) => ({ id: mail.id, to: await nameOf(project.db, mail.reader) }))),
      }
    },
  ),
  /** Offers what is unread. The caller prints it and then confirms; what it could not print is offered again. */
  'mail.check': operation(z.strictObject({}), async (project, speaker) => {
    const offered = await write(project.db, (tx) => offerMail(tx, sender(speaker), project.clock.now(), OFFER_LEASE_MS))
    const mails = await Promise.all(
      offered.map(async (mail) => ({ mail, from: await nameOf(project.db, mail.sender) })),
    )
    return {
      mail: mails.map(({ mail, from }) => ({
        id: mail.id,
        from,
        type: mail.type,
        priority: mail.priority,
        subject: mail.subject,
        body: mail.body,
        at: mail.created_at,
      })),
      prompt: mails.length === 0 ? '' : frameMail(mails),
    }
  }),
  'mail.confirm': operation(z.strictObject({ ids: z.array(z.string()) }), async (project, speaker, input) => ({
    confirmed: await write(project.db, (tx) => confirmMail(tx, sender(speaker), input.ids, project.clock.now())),
  })),
} as const

export type OperationName = keyof typeof OPERATIONS
export type OperationInput<N extends OperationName> = z.input<(typeof OPERATIONS)[N]['input']>
export type OperationResult<N extends OperationName> = Awaited<ReturnType<(typeof OPERATIONS)[N]['run']>>

/** Performs an operation for a speaker, checking its input. The broker's and the command line's only way in. */
export async function perform(
  project: Project,
  speaker: Speaker,
  name: string,
  input: unknown,
  gone: AbortSignal,
): Promise<unknown> {
  if (!Object.hasOwn(OPERATIONS, name)) throw new OvError('user', 'broker.unknown', `There is no operation "${name}".`)
  const { input: schema, run } = OPERATIONS[name as OperationName] as Operation<z.ZodType, unknown>
  const parsed = schema.safeParse(input)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new OvError(
      'user',
      'broker.bad-input',
      `${name}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is not right'}`.trim(),
    )
  }
  return run(project, speaker, parsed.data, gone)
}

/** The agent a person means, or the error that helps. */
export async function namedAgent(project: Project, name: string): Promise<Agent> {
  const agent = await findAgent(project.db, name)
  if (!agent)
    throw new OvError('user', 'agent.unknown', `There is no agent "${name}".`, { hint: 'See who is there: ov status' })
  return agent
}
