import type { Certificate, Finding } from './certificate.ts'
import { FAILURES } from './proofs/failures.ts'
import { PROOFS } from './proofs.ts'

/** Certificates as Markdown: pure. */

/** Between these lines of docs/runtimes.md stands what is made of the certificates. */
const BEGIN = '<!-- made of docs/certificates by `ov runtime certify --update` -->'
const END = '<!-- end of what is made of docs/certificates -->'

/** docs/runtimes.md with the rows of these certificates. */
export function withRows(page: string, certificates: readonly Certificate[]): string {
  const from = page.indexOf(BEGIN)
  const to = page.indexOf(END)
  if (from < 0 || to < from) throw new Error('docs/runtimes.md has no place for the table of certificates')
  return `${page.slice(0, from + BEGIN.length)}\n\n${rows(certificates)}\n\n${page.slice(to)}`
}

function rows(certificates: readonly Certificate[]): string {
  return markdown(
    ['runtime', 'version', 'proved', 'not claimed', 'before', 'when, where, by'],
    certificates.map((one) => {
      const claimed = one.findings.filter(({ result }) => result !== 'not claimed')
      const proved = claimed.filter(({ result }) => result === 'proved')
      const unclaimed = one.findings.filter(({ result }) => result === 'not claimed')
      return [
        `\`${one.runtime}\``,
        one.version,
        `${proved.length} of ${claimed.length}`,
        unclaimed.map(({ proof }) => proof).join(', ') || '–',
        BEFORE[one.against],
        `${one.date}, ${one.platform}, ov ${one.ov}`,
      ]
    }),
  )
}

const BEFORE = {
  'scripted model': 'a scripted model',
  'emulated server': 'an emulation of its server',
  'real service': 'its real service',
} as const satisfies Record<Certificate['against'], string>

/** docs/certificates/README.md: what each proof is, who has it, and what failures look like. */
export function certificatesPage(certificates: readonly Certificate[]): string {
  const names = certificates.map(({ runtime }) => runtime)
  return `${[
    '# Certificates',
    INTRODUCTION,
    '## Proofs',
    markdown(
      ['proof', 'promise', ...names],
      PROOFS.map(({ id, title }) => [`\`${id}\``, title, ...certificates.map((one) => sign(find(one, id)))]),
    ),
    SIGNS,
    '## Failures',
    'What `ov` took each for, what it did, and how many seconds after the start of the task it was told (`limit`: the whole task;\n`hang`: with the end of it). Some of that is what the CLI itself tries again.',
    markdown(
      ['failure', ...names],
      FAILURES.map(({ id }) => [`\`${id}\``, ...certificates.map((one) => failure(find(one, id)))]),
    ),
    '## Not claimed',
    ...certificates.map(notClaimed),
  ].join('\n\n')}\n`
}

const INTRODUCTION = `What was seen of each agent CLI, driven by \`ov\` from outside, in a home, a repository and a runtime folder of its own. One
file a CLI; this page is made of them by \`ov runtime certify --update\`. Amp's model is on its vendor's side: it stood before
an emulation of that server. What npm does not give (aider, cursor) has none: what \`ov\` does with those is tested with
programs of ours that behave as they are documented.`

const SIGNS = '✔ proved · – not claimed (why: below) · ✖ failed · blank: not tried'

function find({ findings }: Certificate, id: string): Finding | null {
  return findings.find(({ proof }) => proof === id) ?? null
}

function sign(finding: Finding | null): string {
  return finding === null ? '' : { proved: '✔', failed: '✖', 'not claimed': '–' }[finding.result]
}

function failure(finding: Finding | null): string {
  if (finding === null) return ''
  if (finding.result !== 'proved') return sign(finding)
  const { cause, did, tookMs } = finding
  const seconds = tookMs === null ? [] : [(tookMs / 1000).toFixed(1)]
  return [...(cause === null ? [] : [`\`${cause}\``]), ...(did === null ? [] : [did]), ...seconds].join(' · ')
}

function notClaimed({ title, findings }: Certificate): string {
  const reasons = findings.filter(({ result }) => result === 'not claimed')
  const lines = reasons.map(({ proof, why }) => `- \`${proof}\`: ${why}`)
  return `**${title}**\n\n${lines.length === 0 ? 'All is claimed.' : lines.join('\n')}`
}

/** A table whose columns are as wide as what is in them. */
function markdown(titles: readonly string[], body: readonly (readonly string[])[]): string {
  const cells = [titles, ...body].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = titles.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [head = [], ...rest] = cells
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rest.map(line)].join('\n')
}
