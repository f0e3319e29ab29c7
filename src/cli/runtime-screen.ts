import type { Can } from '../contract/runtime.ts'
import { CAPABILITIES } from '../contract/states.ts'
import { rangeOf } from '../contract/versions.ts'
import { oneLine } from '../mail/frame.ts'
import type { RuntimeList, RuntimeReport } from '../preflight/runtime-list.ts'
import { clockTime } from './ages.ts'
import { style } from './style.ts'
import { type Cell, type Column, table } from './table.ts'
import { wrapTo } from './width.ts'

/** The screen of `ov runtime list`: what is there, then what a person should know of it. */
export function runtimeScreen({ runtimes, refused }: RuntimeList, width: number): string[] {
  const installed = runtimes.filter(({ program }) => program !== null)
  const rest = runtimes.filter(({ program }) => program === null)
  const ordered = [...installed, ...rest.filter(({ installed: is }) => is), ...rest.filter(({ installed: is }) => !is)]
  const remarks = [...runtimes.flatMap(remarksOn), ...refused.map(({ message, hint }) => ({ text: message, hint }))]
  return [
    ...table(ordered, COLUMNS, { width, paintTitle: style.dim }),
    ...(remarks.length === 0 ? [] : ['', ...remarks.flatMap((remark) => paragraph(remark, width))]),
    ...(installed.length === 0 ? ['', ...wrapTo(NOTHING, width)] : []),
  ]
}

const NOTHING =
  'No agent CLI is installed. How to install one: ov runtime list claude. Without any, a command can be an agent: ov sling --runtime shell --command "…"'

const COLUMNS: readonly Column<RuntimeReport>[] = [
  { title: 'RUNTIME', cell: ({ id }) => ({ text: id, paint: style.bold }) },
  { title: 'VERSION', cell: versionCell, min: 10 },
  { title: 'STANDING', cell: standingCell, goes: 2 },
  { title: 'LOGIN', cell: loginCell, goes: 3 },
  {
    title: 'USED BY',
    cell: ({ usedBy, fallback }) => users(usedBy, fallback, ' '),
    min: 12,
    goes: 4,
  },
  { title: 'CAN', cell: ({ can }) => canWords(can).join(' '), goes: 6 },
  { title: 'PROGRAM', cell: ({ program }) => oneLine(program ?? '', 200), min: 24, goes: 5 },
]

function users(usedBy: RuntimeReport['usedBy'], fallback: number | null, between: string): string {
  const all = usedBy.length === CAPABILITIES.length ? ['all'] : usedBy
  return [...all, ...(fallback === null ? [] : [`fallback ${fallback}`])].join(between)
}

function versionCell({ installed, program, version, silent }: RuntimeReport): Cell {
  if (!installed) return { text: 'not installed', short: 'missing', paint: style.dim }
  if (program === null) return { text: 'needs none', paint: style.dim }
  if (version !== null) return { text: version }
  return { text: silent === 'strange' ? 'wrong program' : 'does not say', short: 'unknown', paint: style.yellow }
}

function standingCell({ certified, drifted }: RuntimeReport): Cell {
  if (certified) return { text: 'certified', paint: style.green }
  return drifted === null ? { text: '' } : { text: `drifted, ${drifted}`, short: 'drifted', paint: style.yellow }
}

function loginCell({ program, login }: RuntimeReport): Cell {
  if (program === null || login === 'not-needed') return { text: '' }
  return login === 'seen' ? { text: 'seen', paint: style.green } : { text: 'none seen', paint: style.yellow }
}

/** What a runtime can, in the words of the contract. */
function canWords(can: Can): string[] {
  const able = (['resume', 'steer', 'block', 'inject', 'usage', 'cost'] as const).filter((name) => can[name])
  return [...(can.structured === false ? [] : [can.structured]), ...(can.interactive ? ['interactive'] : []), ...able]
}

interface Remark {
  readonly text: string
  readonly hint: string | null
}

function remarksOn(runtime: RuntimeReport): Remark[] {
  const {
    id,
    title,
    program,
    unfit,
    silent,
    said,
    wrapper,
    others,
    usedBy,
    login,
    drifted,
    version,
    parkedUntil,
    limit,
    gateway,
  } = runtime
  const used = usedBy.length > 0
  const remarks: Remark[] = []
  const say = (text: string, hint: string | null) => remarks.push({ text, hint })
  if (unfit !== null) say(`${id}: runtime.${id}.binary names ${oneLine(unfit.binary, 200)}: ${unfit.why}.`, null)
  else if (used && !runtime.installed) say(`${title} is used, but not installed.`, runtime.install)
  if (silent === 'strange')
    say(
      `${program} does not seem to be ${title}: it said ${said === null ? 'nothing' : `"${said}"`}.`,
      `runtime.${id}.binary`,
    )
  if (silent === 'timeout') say(`${program} takes too long to say its version, or hangs.`, `${program} --version`)
  if (silent === 'failed')
    say(
      `${program} fails when it is asked for its version${said === null ? '' : `: "${said}"`}.`,
      `${program} --version`,
    )
  if (parkedUntil !== null) say(`${title} is held up by its provider until ${clockTime(parkedUntil)}.`, 'ov limits')
  if (limit !== null && limit.until === null)
    say(`The login of ${title} was refused.`, `${runtime.loginHint}; then: ov limits clear ${id}`)
  if (gateway !== null) say(gateway, null)
  if (wrapper) say(`${program} is a shell script: what it starts is taken for ${title}.`, null)
  if (others.length > 0) {
    const behind = others.map(({ path, version: older }) => `${path} (${older ?? 'version unknown'})`)
    say(`${program} is taken; behind it on PATH: ${behind.join(', ')}.`, `To take another: runtime.${id}.binary`)
  }
  if (used && program !== null && login === 'absent') say(`No login of ${title} was seen.`, runtime.loginHint)
  if (used && drifted !== null)
    say(`${title} ${version} is ${drifted} than what is certified: ${rangeOf(runtime.certifiedVersions)}.`, null)
  return remarks
}

function paragraph({ text, hint }: Remark, width: number): string[] {
  return [
    ...wrapTo(oneLine(text, 600), width - 2).map((line, at) => `${at === 0 ? style.yellow('!') : ' '} ${line}`),
    ...(hint === null ? [] : wrapTo(oneLine(hint, 300), width - 4)).map(
      (line, at) => `  ${at === 0 ? style.dim('→') : ' '} ${line}`,
    ),
  ]
}

function proofs(certificate: RuntimeReport['certificate']): string {
  if (certificate === null) return ''
  const { version, date, against, proved, failed, notClaimed } = certificate
  const counts = [`${proved} proved`, ...(failed > 0 ? [`${failed} failed`] : []), `${notClaimed} not claimed`]
  return `${counts.join(', ')}: ${version}, ${date}, against ${/^[aeiou]/.test(against) ? 'an' : 'a'} ${against}`
}

/** The screen of one runtime, with all that is known of it. */
export function runtimeDetails(runtime: RuntimeReport, width: number): string[] {
  const { can, program, others } = runtime
  const cannot = (['resume', 'steer', 'block', 'inject', 'usage', 'cost', 'interactive'] as const).filter(
    (name) => !can[name],
  )
  const rows: [string, string][] = [
    ['version', versionCell(runtime).text],
    ['standing', standingCell(runtime).text],
    ['certified', rangeOf(runtime.certifiedVersions)],
    ['proofs', proofs(runtime.certificate)],
    ['program', program ?? ''],
    ['behind it', others.map(({ path, version }) => `${path} ${version ?? ''}`.trim()).join(', ')],
    ['login', runtime.loginSeen ?? loginCell(runtime).text],
    ['log in', runtime.login === 'absent' ? runtime.loginHint : ''],
    ['install', runtime.installed ? '' : runtime.install],
    ['can', canWords(can).join(', ')],
    ['cannot', cannot.join(', ')],
    ['used by', users(runtime.usedBy, runtime.fallback, ', ')],
  ]
  const remarks = remarksOn(runtime)
  return [
    `${style.bold(runtime.id)}  ${runtime.title}`,
    ...rows
      .filter(([, value]) => value !== '')
      .flatMap(([name, value]) =>
        wrapTo(oneLine(value, 600), width - 12).map(
          (line, at) => `  ${at === 0 ? style.dim(name.padEnd(10)) : ' '.repeat(10)}${line}`,
        ),
      ),
    ...(remarks.length === 0 ? [] : ['', ...remarks.flatMap((remark) => paragraph(remark, width))]),
  ]
}
