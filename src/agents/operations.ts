import * as z from 'zod'
import { agentOnly, operation } from '../broker/operation.ts'
import { CAPABILITIES } from '../contract/states.ts'
import type { SlingRequest } from './sling.ts'

/** What can be asked about agents and their tasks. Each story is loaded when it is asked for. */
export const AGENT_OPERATIONS = {
  sling: operation(
    () =>
      z.strictObject({
        capability: z.enum(CAPABILITIES),
        task: z.string(),
        name: z.string().optional(),
        runtime: z.string().optional(),
        model: z.string().optional(),
        base: z.string().optional(),
        files: z.array(z.string()).optional(),
        command: z.string().optional(),
        interactive: z.boolean().optional(),
        again: z.boolean().optional(),
        queue: z.boolean().optional(),
      }),
    async (project, speaker, input) =>
      (await import('./sling.ts')).sling(
        project,
        speaker.kind === 'agent' ? speaker.agent : null,
        input as SlingRequest,
      ),
  ),
  'task.wait': operation(
    () => z.strictObject({ task: z.string(), timeoutMs: z.number().optional() }),
    async (project, _speaker, input, gone) => {
      const [{ waitForTask }, { outcomeOf }] = await Promise.all([
        import('../tasks/wait.ts'),
        import('../tasks/outcome.ts'),
      ])
      await waitForTask(project, input.task, {
        ...(input.timeoutMs === undefined ? {} : { timeoutMs: input.timeoutMs }),
        gone,
      })
      return outcomeOf(project.db, input.task)
    },
  ),
  done: operation(
    () => z.strictObject({ summary: z.string(), noChanges: z.boolean().optional() }),
    async (project, speaker, input) =>
      (await import('../runner/claim.ts')).claimDone(project, agentOnly(speaker, 'ov done'), {
        summary: input.summary,
        noChanges: input.noChanges ?? false,
      }),
  ),
  fail: operation(
    () => z.strictObject({ reason: z.string() }),
    async (project, speaker, input) =>
      (await import('../runner/claim.ts')).giveUp(project, agentOnly(speaker, 'ov fail'), input.reason),
  ),
  ask: operation(
    () => z.strictObject({ question: z.string(), to: z.string().optional(), options: z.array(z.string()).optional() }),
    async (project, speaker, input) =>
      (await import('../mail/ask.ts')).ask(project, agentOnly(speaker, 'ov ask'), input),
  ),
  status: operation(
    () => z.strictObject({ run: z.string().optional(), all: z.boolean().optional() }),
    async (project, _speaker, input) =>
      (await import('../reports/report.ts')).reportStatus(project, input as { run?: string; all?: boolean }),
  ),
  stop: operation(
    () =>
      z.strictObject({
        agents: z.array(z.string()),
        all: z.boolean(),
        tree: z.boolean(),
        reason: z.string().optional(),
      }),
    async (project, speaker, input) =>
      (await import('./stop.ts')).stopChosen(project, speaker.kind === 'agent' ? speaker.agent : null, input),
  ),
} as const

/** Loads every story that an operation here tells. */
export async function loadStories(): Promise<void> {
  await Promise.all([
    import('./sling.ts'),
    import('../runner/claim.ts'),
    import('../reports/report.ts'),
    import('./stop.ts'),
    import('../mail/ask.ts'),
    import('../tasks/wait.ts'),
    import('../tasks/outcome.ts'),
  ])
}
