import type * as z from 'zod'
import type { AGENT_OPERATIONS } from './agents/operations.ts'
import type { Operation, Speaker } from './broker/operation.ts'
import { OvError } from './errors.ts'
import type { MAIL_OPERATIONS } from './mail/operations.ts'
import type { MONITOR_OPERATIONS } from './monitor/operations.ts'
import type { Project } from './project.ts'

/**
 * Everything that can be asked of `ov` from inside an agent as well as outside. A command calls one of these; inside
 * an agent the call goes through the broker, outside it runs here. One table, two doors; each domain has its part.
 */
type Operations = typeof AGENT_OPERATIONS & typeof MAIL_OPERATIONS & typeof MONITOR_OPERATIONS

export type OperationName = keyof Operations
export type OperationInput<N extends OperationName> = z.input<ReturnType<Operations[N]['input']>>
export type OperationResult<N extends OperationName> = Awaited<ReturnType<Operations[N]['run']>>

/** Performs an operation for a speaker, checking its input. The broker's and the command line's only way in. */
export async function perform(
  project: Project,
  speaker: Speaker,
  name: string,
  input: unknown,
  gone: AbortSignal,
): Promise<unknown> {
  const table = (await tableOf(name)) as Readonly<Record<string, Operation<z.ZodType, unknown>>>
  const operation = Object.hasOwn(table, name) ? table[name] : undefined
  if (operation === undefined) throw new OvError('user', 'broker.unknown', `There is no operation "${name}".`)
  const parsed = operation.input().safeParse(input)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new OvError(
      'user',
      'broker.bad-input',
      `${name}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is not right'}`.trim(),
    )
  }
  return operation.run(project, speaker, parsed.data, gone)
}

/** The part of the table that an operation stands in; a short command loads no other. */
async function tableOf(name: string): Promise<object> {
  if (name.startsWith('monitor.')) return (await import('./monitor/operations.ts')).MONITOR_OPERATIONS
  return name.startsWith('mail.')
    ? (await import('./mail/operations.ts')).MAIL_OPERATIONS
    : (await import('./agents/operations.ts')).AGENT_OPERATIONS
}

/** Loads all that any operation needs, for a process that lives longer than the files it was started from may. */
export async function loadOperations(): Promise<void> {
  await Promise.all([
    import('./mail/operations.ts'),
    import('./contract/mail-payloads.ts'),
    import('./monitor/operations.ts'),
    import('./monitor/propose.ts'),
    import('./agents/operations.ts').then(({ loadStories }) => loadStories()),
  ])
}
