import { openAgents } from '../../agents/store.ts'
import { modeNow } from '../../load/mode.ts'
import type { Project } from '../../project.ts'
import type { Check, Found } from '../diagnosis.ts'

/** How much the fleet does, and what keeps the queue from starting. */
export async function checkMode(project: Project): Promise<Check> {
  const { level, by, why, holds } = await modeNow(project)
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
  const isSaid = level !== 'full' && why !== '' && holds?.includes(why)
  if (queued > 0 && holds !== null && !isSaid) {
    found.push({ severity: 'info', code: 'agent.held', message: `What is queued waits. ${holds}`, hint: 'ov mode' })
  }
  return { name: 'mode', summary: level, found }
}
