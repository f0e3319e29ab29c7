import * as z from 'zod'
import { agentOnly, operation } from '../broker/operation.ts'
import { verdictSchema } from '../watchdog/triage-rules.ts'

/** What can be asked by a monitor agent. */
export const MONITOR_OPERATIONS = {
  'monitor.propose': operation(
    () => z.strictObject({ agent: z.string(), verdict: verdictSchema }),
    async (project, speaker, input) =>
      (await import('./propose.ts')).propose(project, agentOnly(speaker, 'ov monitor propose'), input),
  ),
} as const
