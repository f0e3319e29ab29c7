import { reportLimits } from '../../limits/report.ts'
import { sayLimit } from '../../limits/words.ts'
import type { Project } from '../../project.ts'
import type { Check, Found } from '../diagnosis.ts'

/** What providers hold up: a refused login is for a person to mend, a limit ends by itself. */
export async function checkLimits(project: Project): Promise<Check> {
  const at = project.clock.now()
  const limits = await reportLimits(project)
  const found = limits.map((limit): Found => {
    const message = `${sayLimit(limit, at)}.`
    return limit.until === null
      ? { severity: 'error', code: 'limit.login', message, hint: `Log in anew, or: ov limits clear ${limit.runtime}` }
      : { severity: 'info', code: 'limit.held', message, hint: 'ov limits' }
  })
  return { name: 'limits', summary: limits.length === 0 ? 'none' : `${limits.length}`, found }
}
