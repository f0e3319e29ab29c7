import { oneLine } from '../mail/frame.ts'
import type { Issue } from '../preflight/diagnosis.ts'
import type { Diagnosis } from '../preflight/doctor.ts'
import { screenWidth, style } from './style.ts'
import { table } from './table.ts'

const MARKS = { ok: '✔', info: 'i', warning: '!', error: '✖' } as const
const PAINTS = { ok: style.green, info: style.blue, warning: style.yellow, error: style.red } as const

/** The table of what was looked at, then each issue with the next thing to type. */
export function doctorPicture(diagnosis: Diagnosis): string {
  const fixable = diagnosis.issues.filter((issue) => issue.fixable).length
  const looked = table(
    diagnosis.checks,
    [
      { title: '', cell: ({ status }) => ({ text: MARKS[status], paint: PAINTS[status] }) },
      { title: 'CHECK', cell: ({ name }) => oneLine(name, 40) },
      { title: 'FOUND', cell: ({ summary }) => oneLine(summary, 200), min: 12 },
    ],
    { width: screenWidth(), paintTitle: style.dim },
  )
  return [
    ...looked,
    ...(diagnosis.fixed.length === 0
      ? []
      : ['', 'Fixed:', ...diagnosis.fixed.map((line) => `  ${oneLine(line, 400)}`)]),
    ...diagnosis.issues.flatMap((issue) => ['', ...paragraph(issue)]),
    '',
    `${diagnosis.ready ? style.green('Ready.') : style.red('Not ready.')}${fixable === 0 ? '' : ` ov doctor --fix can mend ${fixable} of this.`}`,
  ].join('\n')
}

function paragraph(issue: Issue): string[] {
  const lines = issue.message.split('\n').map((line) => oneLine(line, 400))
  return [
    `${PAINTS[issue.severity](MARKS[issue.severity])} ${lines.join('\n  ')} ${style.dim(`(${issue.code})`)}`,
    ...(issue.hint === null ? [] : [`  ${style.dim('Hint:')} ${oneLine(issue.hint, 400)}`]),
  ]
}
