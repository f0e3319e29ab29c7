import type { Certificate, Finding } from '../certify/certificate.ts'
import { oneLine } from '../mail/frame.ts'
import { style } from './style.ts'
import { type Column, table } from './table.ts'

/** The screen of `ov runtime certify`: every finding of one CLI, or a line for each of several and what failed. */
export function certifyScreen(certificates: readonly Certificate[], width: number): string[] {
  const [only, ...others] = certificates
  if (only !== undefined && others.length === 0) {
    return [...table(only.findings, FINDINGS, { width, paintTitle: style.dim }), '', totals(only)]
  }
  const failed = certificates.flatMap(({ runtime, findings }) =>
    findings.filter(({ result }) => result === 'failed').map((finding) => `${runtime}: ${sayFinding(finding)}`),
  )
  return [...certificates.map(totals), ...(failed.length === 0 ? [] : ['', ...failed])]
}

const FINDINGS: readonly Column<Finding>[] = [
  { title: '', cell: ({ result }) => ({ text: SIGN[result], paint: PAINT[result] }) },
  { title: 'PROOF', cell: ({ proof }) => ({ text: proof, paint: style.bold }) },
  { title: 'TOOK', cell: ({ tookMs }) => seconds(tookMs), align: 'right', goes: 2 },
  { title: 'CAUSE', cell: ({ cause }) => cause ?? '', goes: 1 },
  { title: 'WHAT WAS SEEN', cell: ({ why, did }) => oneLine(why ?? did ?? '', 300), min: 30 },
]

const SIGN = { proved: '✔', failed: '✖', 'not claimed': '–' } as const
const PAINT = { proved: style.green, failed: style.red, 'not claimed': style.dim } as const

function seconds(ms: number | null): string {
  return ms === null ? '' : `${(ms / 1000).toFixed(1)} s`
}

/** One finding in one line, for whoever watches. */
export function sayFinding({ proof, result, why, did, tookMs }: Finding): string {
  const said = oneLine(why ?? did ?? '', 300)
  return [
    `${SIGN[result]} ${proof}`,
    ...(said === '' ? [] : [said]),
    ...(tookMs === null ? [] : [seconds(tookMs)]),
  ].join(' · ')
}

/** What a certificate comes to. */
export function totals({ title, version, findings }: Certificate): string {
  const count = (result: Finding['result']) => findings.filter((one) => one.result === result).length
  const parts = [`${count('proved')} proved`, `${count('failed')} failed`, `${count('not claimed')} not claimed`]
  return `${title} ${version}: ${parts.join(', ')}`
}
