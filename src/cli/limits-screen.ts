import type { LimitReport } from '../limits/report.ts'
import { sayLimit } from '../limits/words.ts'
import { oneLine } from '../mail/frame.ts'
import { style } from './style.ts'
import { wrapTo } from './width.ts'

/** What holds up an account, in lines: until when and whom, then by which login it was met, and what the runtime said. */
export function limitLines(limit: LimitReport, at: number, width: number): string[] {
  const said = oneLine(limit.said, 300)
  const met = `${limit.account}, met by ${limit.runtime}${said === '' ? '' : `: ${said}`}`
  return [...wrapTo(sayLimit(limit, at), width), ...wrapTo(met, width - 2).map((line) => style.dim(`  ${line}`))]
}
