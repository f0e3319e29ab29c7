import { OvError } from '../errors.ts'
import { findProgram } from './files.ts'
import { type Outcome, runShort } from './process.ts'

/** The user's own systemd, asked by `systemctl --user`. */
export interface Systemd {
  readonly version: number
  /** Has all unit files read again. */
  reload(): Promise<void>
  /** Starts it now and with each session. */
  enable(unit: string): Promise<void>
  restart(unit: string): Promise<void>
  /** Ends it now, and for good. */
  disable(unit: string): Promise<void>
  show(unit: string): Promise<UnitState>
  /** Whether it goes on when the user has logged out; null where that cannot be told. */
  lingers(): Promise<boolean | null>
}

export interface UnitState {
  /** `loaded`, `not-found`, … */
  readonly load: string
  /** `active`, `activating`, `inactive`, `failed`, … */
  readonly active: string
  /** `enabled`, `disabled`, …; empty for none. */
  readonly enabled: string
  readonly pid: number | null
  readonly restarts: number
  /** `success`, `exit-code`, `start-limit-hit`, … */
  readonly result: string
}

const PATIENCE_MS = 30_000

/** The user's systemd; null where there is none, or it cannot be reached from here (no session, no bus). */
export async function userSystemd(): Promise<Systemd | null> {
  const systemctl = findProgram('systemctl')
  if (systemctl === null) return null
  const ask = (...args: string[]) => runShort([systemctl, '--user', ...args], { timeoutMs: PATIENCE_MS })
  const version = /^Version=\D*(\d+)/m.exec((await ask('show', '--property=Version')).stdout)?.[1]
  if (version === undefined) return null
  const demand = async (...args: string[]) => {
    const outcome = await ask(...args)
    if (!outcome.ok) throw refused(args, outcome)
  }
  return {
    version: Number(version),
    reload: () => demand('daemon-reload'),
    enable: (unit) => demand('enable', '--now', unit),
    restart: (unit) => demand('restart', unit),
    async disable(unit) {
      await demand('disable', '--now', unit)
      // One that had not failed has nothing to be reset.
      await ask('reset-failed', unit)
    },
    async show(unit) {
      const { stdout } = await ask('show', `--property=${Object.values(PROPERTIES).join(',')}`, unit)
      const of = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(stdout)?.[1] ?? ''
      return {
        load: of(PROPERTIES.load),
        active: of(PROPERTIES.active),
        enabled: of(PROPERTIES.enabled),
        pid: Number(of(PROPERTIES.pid)) || null,
        restarts: Number(of(PROPERTIES.restarts)),
        result: of(PROPERTIES.result),
      }
    },
    async lingers() {
      const loginctl = findProgram('loginctl')
      if (loginctl === null) return null
      const user = String(process.getuid?.() ?? '')
      const { stdout } = await runShort([loginctl, 'show-user', user, '--property=Linger'], { timeoutMs: PATIENCE_MS })
      return stdout.includes('Linger=yes') ? true : stdout.includes('Linger=no') ? false : null
    },
  }
}

const PROPERTIES = {
  load: 'LoadState',
  active: 'ActiveState',
  enabled: 'UnitFileState',
  pid: 'MainPID',
  restarts: 'NRestarts',
  result: 'Result',
} as const

function refused(args: readonly string[], { output, timedOut }: Outcome): OvError {
  const why = timedOut ? 'it did not answer' : output.trim()
  return new OvError('failed', 'service.refused', `systemctl --user ${args.join(' ')} failed: ${why}`, {
    hint: 'systemctl --user status',
  })
}
