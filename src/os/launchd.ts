import { OvError } from '../errors.ts'
import { findProgram } from './files.ts'
import { runShort } from './process.ts'

/** The user's launchd (macOS), asked by `launchctl`. */
export interface Launchd {
  load(plist: string): Promise<void>
  unload(label: string): Promise<void>
  /** Its process, where it runs; null where it is loaded and does not; undefined where it is not loaded. */
  pidOf(label: string): Promise<number | null | undefined>
}

const PATIENCE_MS = 30_000

export function userLaunchd(): Launchd | null {
  const launchctl = process.platform === 'darwin' ? findProgram('launchctl') : null
  if (launchctl === null) return null
  const domain = `gui/${process.getuid?.() ?? ''}`
  const ask = (...args: string[]) => runShort([launchctl, ...args], { timeoutMs: PATIENCE_MS })
  const demand = async (...args: string[]) => {
    const { ok, output } = await ask(...args)
    if (ok) return
    throw new OvError('failed', 'service.refused', `launchctl ${args.join(' ')} failed: ${output.trim()}`, {
      hint: `launchctl print ${domain}`,
    })
  }
  return {
    load: (plist) => demand('bootstrap', domain, plist),
    unload: (label) => demand('bootout', `${domain}/${label}`),
    async pidOf(label) {
      const { ok, stdout } = await ask('print', `${domain}/${label}`)
      if (!ok) return undefined
      return Number(/^\s*pid = (\d+)$/m.exec(stdout)?.[1]) || null
    },
  }
}
