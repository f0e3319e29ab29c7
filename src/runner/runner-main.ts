import { loadOperations } from '../operations.ts'
import { openProject } from '../project.ts'
import { runAgent } from './runner.ts'

/** So long after its start, in ms, a runner has nothing better to do than to load what it may need. */
const LOAD_AFTER_MS = 1_500

/** `ov runner AGENT FENCE`: what `ov` itself starts for each agent. Not for people. */
export async function runnerMain([agentId = '', fence = '']: readonly string[]): Promise<void> {
  const project = await openProject(process.cwd(), { evenMisconfigured: true })
  // It lives long. What it needs later it takes now, while all of it is of one version of `ov`.
  const loading = setTimeout(() => void loadOperations(), LOAD_AFTER_MS)
  try {
    await runAgent(project, agentId, Number(fence))
  } finally {
    clearTimeout(loading)
    await project.close()
  }
}
