import { constants } from 'node:os'
import { changedAt, findProgram, readText } from './files.ts'
import { bootId, pidNamespaceOf, run } from './process.ts'
import { remembered } from './remembered.ts'

/**
 * How the processes of an agent are held together, so that they end with their runner, whatever ends it:
 * - `pid-namespace`: all of them, at once, by the kernel; also what has cleared its environment or become a daemon.
 * - `death-signal`: the agent's first process alone; the rest is found by its marker.
 * - `none`: nothing ends by itself.
 *
 * It keeps nobody from anything else: files, network and users are as outside. (Inside a pid namespace made by
 * bubblewrap programs can't gain privileges, so `sudo` doesn't work there.)
 */
export interface Containment {
  readonly kind: 'pid-namespace' | 'death-signal' | 'none'
  /** The argv that runs `argv` contained. A death by signal shows as exit code 128 + signal, as in a shell. */
  wrap(argv: readonly string[]): string[]
  /** The signal that what was wrapped died by, from the exit code seen outside; null for an end of its own. */
  deathOf(code: number | null): NodeJS.Signals | null
}

/** Inside a pid namespace a death by signal is passed on as 128 and the signal's number. */
function passedOn(code: number | null): NodeJS.Signals | null {
  const number = (code ?? 0) - 128
  const [name] = Object.entries(constants.signals).find(([, value]) => value === number) ?? []
  return (name as NodeJS.Signals | undefined) ?? null
}

/** Outside a namespace the signal itself is seen. */
const seen = () => null

const WITH_PARENT = ['setpriv', '--pdeathsig', 'KILL', '--']

/** All there are, best first. */
export const CONTAINMENTS: readonly Containment[] = [
  {
    kind: 'pid-namespace',
    deathOf: passedOn,
    wrap: (argv) => [
      'bwrap',
      '--unshare-pid',
      '--die-with-parent',
      ...['--dev-bind', '/', '/'],
      ...['--proc', '/proc'],
      '--',
      ...argv,
    ],
  },
  {
    // For root only. The shell is the namespace's first process: a first process gets no signal it has no handler for,
    // and has to reap what others leave behind.
    kind: 'pid-namespace',
    deathOf: passedOn,
    wrap: (argv) => [
      ...WITH_PARENT,
      ...['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--'],
      ...['/bin/sh', '-c', '"$@"; exit $?', 'sh'],
      ...argv,
    ],
  },
  {
    // The same for anybody else, where the kernel gives everybody a user namespace: our user stays who it is in there.
    kind: 'pid-namespace',
    deathOf: passedOn,
    wrap: (argv) => [
      ...WITH_PARENT,
      ...['unshare', '--user', '--map-current-user', '--pid', '--fork', '--kill-child', '--mount-proc', '--'],
      ...['/bin/sh', '-c', '"$@"; exit $?', 'sh'],
      ...argv,
    ],
  },
  { kind: 'death-signal', deathOf: seen, wrap: (argv) => [...WITH_PARENT, ...argv] },
]

const NONE: Containment = { kind: 'none', deathOf: seen, wrap: (argv) => [...argv] }

let found: Promise<Containment> | undefined

/**
 * The best containment that works here: a program that is installed may still be forbidden. It is tried once, and again
 * when anything has changed that decides about it.
 *
 * @param wanted false: none, whatever would work
 */
export function containment(wanted: boolean): Promise<Containment> {
  if (!wanted) return Promise.resolve(NONE)
  found ??= firstThatWorks()
  return found
}

async function firstThatWorks(): Promise<Containment> {
  const answer = await remembered('containment', whatDecides(), async () => {
    for (const [index, way] of CONTAINMENTS.entries()) if (await works(way)) return String(index)
    // Nothing works: perhaps something is mended soon, so that is not kept.
    return null
  })
  return answer === null ? NONE : (CONTAINMENTS[Number(answer)] ?? NONE)
}

/** The programs, this boot, what the kernel allows everybody and what it allows us. */
function whatDecides(): string {
  const programs = ['bwrap', 'setpriv', 'unshare'].map((name) => {
    const path = findProgram(name)
    return path === null ? `no ${name}` : `${path} ${changedAt(path)}`
  })
  const allowed = [
    '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
    '/proc/sys/kernel/unprivileged_userns_clone',
    '/proc/sys/user/max_user_namespaces',
    '/proc/sys/user/max_pid_namespaces',
    '/proc/self/attr/current',
  ].map(said)
  const powers = (readText('/proc/self/status') ?? '').match(/^(Uid|Cap\w+|NoNewPrivs|Seccomp):.*$/gm) ?? []
  const facts = [bootId(), pidNamespaceOf(process.pid) ?? '-', ...programs, ...allowed, ...powers]
  return facts.join(' ').replaceAll(/\s+/g, ' ')
}

/** What a file of the kernel's says, `-` when it has no answer: without a security module some can't even be read. */
function said(path: string): string {
  try {
    return readText(path)?.trim() ?? '-'
  } catch {
    return '-'
  }
}

/** Runs a probe in it that says which pid namespace it is in; that needs a `/proc` of that namespace too. */
export async function works(way: Containment): Promise<boolean> {
  const outcome = await run(way.wrap(['readlink', '/proc/self/ns/pid']), { timeoutMs: 3_000 })
  if (!outcome.ok) return false
  const apart = outcome.stdout.trim() !== pidNamespaceOf(process.pid)
  return apart === (way.kind === 'pid-namespace')
}
