import type { MonitorReport } from '../../monitor/report.ts'
import { onceBody } from './frame.ts'
import { headerLine } from './header.ts'
import { fill, painted } from './line.ts'

/** One picture of everything, as long as it takes: what `ov monitor --once` prints. */
export function onceLines(report: MonitorReport, width: number, ascii: boolean): string[] {
  const lines = [headerLine(report, width, report.at, null), ...onceBody(report, width)]
  return lines.map((line) => painted(fill(line, width), { ascii }).trimEnd())
}
