import type * as z from 'zod'
import { AGENT_OPERATIONS } from './agents/operations.ts'
import type { Operation, Speaker } from './broker/operation.ts'
import { OvError } from './errors.ts'
import { MAIL_OPERATIONS } from './mail/operations.ts'
import type { Project } from './project.ts'

/**
 * Everything that can be asked of `ov` from inside an agent as well as outside. A command calls one of these; inside
 * an agent the call goes through the broker, outside it runs here. One table, two doors; each domain has its part.
 */
export const OPERATIONS = { ...AGENT_OPERATIONS, ...MAIL_OPERATIONS } as const

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
