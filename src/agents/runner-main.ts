import { openProject } from '../project.ts'
import { runAgent } from './runner.ts'

/** `ov runner AGENT FENCE`: what `ov` itself starts for each agent. Not for people. */
export async function runnerMain([agentId = '', fence = '']: readonly string[]): Promise<void> {
  const project = await openProject(process.cwd(), { evenMisconfigured: true })
  try {
    await runAgent(project, agentId, Number(fence))
  } finally {
    await project.close()
  }
}
