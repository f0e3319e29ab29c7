import * as z from 'zod'
import { agentOnly, operation } from '../broker/operation.ts'
import { CAPABILITIES } from '../contract/states.ts'
import { ask } from '../mail/ask.ts'
import { outcomeOf } from '../tasks/outcome.ts'
import { waitForTask } from '../tasks/wait.ts'
import { claimDone, giveUp } from './claim.ts'
import { reportStatus } from './report.ts'
import { type SlingRequest, sling } from './sling.ts'
import { chooseToStop, stopAgents } from './stop.ts'

/** What can be asked about agents and their tasks. */
export const AGENT_OPERATIONS = {
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
      interactive: z.boolean().optional(),
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
    (project, speaker, input) => ask(project, agentOnly(speaker, 'ov ask'), input),
  ),
  status: operation(
    z.strictObject({ run: z.string().optional(), all: z.boolean().optional() }),
    (project, _speaker, input) => reportStatus(project, input as { run?: string; all?: boolean }),
  ),
  /** The human may stop anybody; an agent only those it or its own have slung. */
  stop: operation(
    z.strictObject({
      agents: z.array(z.string()),
      all: z.boolean(),
      tree: z.boolean(),
      reason: z.string().optional(),
    }),
    async (project, speaker, input) => {
      const by = speaker.kind === 'agent' ? speaker.agent : null
      const chosen = await chooseToStop(project, by, input)
      const reason = input.reason ?? `Stopped by ${by === null ? 'the human' : by.name}.`
      return { stopped: await stopAgents(project, chosen, { reason, all: input.all && by === null }) }
    },
  ),
} as const
