import { openAgents } from '../../agents/store.ts'
import { holdsByLevel, modeNow } from '../../load/mode.ts'
import type { Project } from '../../project.ts'
import type { Check, Found } from '../diagnosis.ts'

/** How much the fleet does, and what keeps the queue from starting. */
export async function checkMode(project: Project): Promise<Check> {
  const mode = await modeNow(project)
  const { level, by, why, holds } = mode
  const queued = (await openAgents(project.db)).filter(({ state }) => state === 'queued').length
  const found: Found[] = []
  if (level !== 'full') {
    found.push({
      severity: by === 'ov' ? 'warning' : 'info',
      code: `mode.${level}`,
      message: `The fleet is at "${level}"${by === 'human' ? ', as you said' : ''}.${why && ` ${why}`}`,
      hint: by === 'human' ? 'To take it back: ov mode auto' : 'What that means: ov mode',
    })
  }
  if (queued > 0 && !holdsByLevel(mode)) {
    found.push({ severity: 'info', code: 'agent.held', message: `What is queued waits. ${holds}`, hint: 'ov mode' })
  }
  return { name: 'mode', summary: level, found }
}
