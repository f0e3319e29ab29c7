import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { leftAlone } from '../agents/left.ts'
import { OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { readEntry, readText, remove, writeWhole } from '../os/files.ts'
import { pathDigest } from '../os/git.ts'
import { type Launchd, userLaunchd } from '../os/launchd.ts'
import { type Systemd, userSystemd } from '../os/systemd.ts'
import { OV_MAIN } from '../place.ts'
import type { Project } from '../project.ts'
import { type Watcher, watcherAtWork } from '../watchdog/lease.ts'
import { plistText } from './plist.ts'
import {
  environmentFileIn,
  labelOf,
  MARKER,
  plistPath,
  requireWritablePaths,
  type ServiceSpec,
  serviceEnvironment,
  serviceName,
  unitPath,
  wantsPath,
} from './spec.ts'
import { unitText } from './unit.ts'

/** The service of a project, as it is on this machine. */
export interface ServiceReport {
  readonly manager: 'systemd' | 'launchd'
  readonly name: string
  /** The file that describes it to its manager. */
  readonly path: string
  /** Whether that file is there, and whether `ov` wrote it as it would write it now, the variables of this terminal aside. */
  readonly installed: 'no' | 'current' | 'outdated' | 'not-ours'
  /** Whether the manager can be asked; nothing below is known where it can't. */
  readonly reachable: boolean
  /** Whether it starts with the user's session. */
  readonly enabled: boolean
  /** `active`, `inactive`, `failed`, …; what the manager says. */
  readonly state: string
  readonly pid: number | null
  /** Starts by itself since the last by hand. */
  readonly restarts: number
  /** Whether it goes on when the user has logged out; null where that is not known. */
  readonly lingers: boolean | null
  /** Who watches the project just now, the service or another. */
  readonly watcher: Watcher | null
  /** Agents that nobody could start or bring back who looked so far, the watcher among them; what they lacked, and what to type. */
  readonly left: readonly { readonly agent: string; readonly text: string; readonly hint: string }[]
  /** Where a person can give it a login that is in a variable; null for a manager that reads no such file. */
  readonly environmentFile: string | null
}

/** A unit's file is small; what is larger is no file of ours. */
const MOST_BYTES = 64 * 1024
/** Systemd that can't be asked is taken for one that knows no newer keys. */
const OLD_SYSTEMD = 240
/** A service that does not watch after this long, in ms, is said to have failed. */
const START_MS = 20_000

interface Ground {
  readonly spec: ServiceSpec
  readonly manager: 'systemd' | 'launchd'
  readonly path: string
  readonly text: string
  readonly systemd: Systemd | null
  readonly launchd: Launchd | null
}

async function groundOf(project: Project): Promise<Ground> {
  const spec: ServiceSpec = {
    name: serviceName(project.name, pathDigest(project.configRoot)),
    project: project.name,
    folder: project.configRoot,
    argv: [process.execPath, OV_MAIN, 'watch'],
    environment: serviceEnvironment(process.env),
    environmentFile: environmentFileIn(configHome()),
    log: join(project.stateDir, 'logs', 'watch.log'),
  }
  requireWritablePaths(spec)
  if (process.platform === 'darwin') {
    const path = plistPath(homedir(), spec.name)
    return { spec, manager: 'launchd', path, text: plistText(spec), systemd: null, launchd: userLaunchd() }
  }
  const systemd = await userSystemd()
  const text = unitText(spec, systemd?.version ?? OLD_SYSTEMD)
  return { spec, manager: 'systemd', path: unitPath(configHome(), spec.name), text, systemd, launchd: null }
}

function configHome(): string {
  return process.env.XDG_CONFIG_HOME || join(homedir(), '.config')
}

/** What would be written, and where to. Changes nothing, and needs no manager. */
export async function plannedService(project: Project): Promise<{ path: string; text: string }> {
  const { path, text } = await groundOf(project)
  return { path, text }
}

export async function serviceStatus(project: Project): Promise<ServiceReport> {
  return reportOf(project, await groundOf(project))
}

async function reportOf(project: Project, ground: Ground): Promise<ServiceReport> {
  const { spec, manager, path, systemd, launchd } = ground
  const state = systemd === null ? null : await systemd.show(`${spec.name}.service`)
  const pid = launchd === null ? undefined : await launchd.pidOf(labelOf(spec.name))
  return {
    manager,
    name: spec.name,
    path,
    installed: fileIs(ground),
    reachable: systemd !== null || launchd !== null,
    enabled: state === null ? pid !== undefined : state.enabled === 'enabled',
    state: state?.active ?? (pid === undefined ? 'inactive' : 'active'),
    pid: state?.pid ?? pid ?? null,
    restarts: state?.restarts ?? 0,
    lingers: (await systemd?.lingers()) ?? null,
    watcher: await watcherAtWork(project.db, project.clock),
    left: (await leftAlone(project.db)).map(({ agent, text, hint }) => ({ agent, text, hint })),
    environmentFile: manager === 'systemd' ? spec.environmentFile : null,
  }
}

function fileIs({ path, text }: Pick<Ground, 'path' | 'text'>): ServiceReport['installed'] {
  const found = readEntry(path, MOST_BYTES)
  if (found.is === 'gone') return 'no'
  if (found.is !== 'text' || !found.text.split('\n', 3).some((line) => line.includes(MARKER))) return 'not-ours'
  return unvaried(found.text) === unvaried(text) ? 'current' : 'outdated'
}

/** The text without the variables, which differ from terminal to terminal. */
function unvaried(text: string): string {
  return text.replace(/^Environment=.*\n/gm, '')
}

/**
 * Has the machine's service manager watch over the project from now on, at each start of the session too. Where that is
 * so already it changes nothing.
 *
 * @throws {OvError} `service.no-manager`, `service.not-ours`, `service.watched`, `service.refused`, `service.not-started`
 */
export async function installService(project: Project): Promise<ServiceReport & { readonly changed: boolean }> {
  const ground = await groundOf(project)
  const { spec, path, text, systemd, launchd } = ground
  const before = await reportOf(project, ground)
  if (systemd === null && launchd === null) throw noManager()
  if (before.installed === 'not-ours') throw notOurs(path)
  const runs = before.enabled && before.pid !== null && before.watcher?.pid === before.pid
  if (readText(path) === text && runs) return { ...before, changed: false }
  if (before.watcher !== null && before.watcher.pid !== before.pid) {
    throw new OvError('busy', 'service.watched', `Process ${before.watcher.pid} watches this project already.`, {
      hint: 'ov watch stop && ov service install',
    })
  }
  writeWhole(path, text, 0o600)
  if (systemd !== null) {
    const unit = `${spec.name}.service`
    await systemd.reload()
    await systemd.enable(unit)
    if (before.pid !== null) await systemd.restart(unit)
  }
  if (launchd !== null) {
    if (before.enabled) await launchd.unload(labelOf(spec.name))
    await launchd.load(path)
  }
  await recordEvent(project.db, { at: project.clock.now(), type: 'service.installed', data: { name: spec.name } })
  return { ...(await untilItWatches(project, ground)), changed: true }
}

async function untilItWatches(project: Project, ground: Ground): Promise<ServiceReport> {
  const { clock } = project
  for (const began = clock.monotonic(); clock.monotonic() - began < START_MS; await delay(100)) {
    const report = await reportOf(project, ground)
    if (report.watcher !== null && report.watcher.pid === report.pid) return report
    if (report.state === 'failed') break
  }
  const { name, log } = ground.spec
  throw new OvError('failed', 'service.not-started', 'The service is installed, but it does not watch.', {
    hint: ground.manager === 'systemd' ? `journalctl --user -u ${name} -n 20` : `tail ${log}`,
  })
}

/**
 * Takes the service away, and with it its watcher; agents work on. Where there is none it changes nothing.
 *
 * @throws {OvError} `service.not-ours`, `service.refused`
 */
export async function uninstallService(project: Project): Promise<{ removed: boolean; name: string; path: string }> {
  const ground = await groundOf(project)
  const { spec, path, systemd, launchd } = ground
  const { installed, enabled } = await reportOf(project, ground)
  if (installed === 'not-ours') throw notOurs(path)
  const removed = installed !== 'no'
  if (systemd !== null && removed) await systemd.disable(`${spec.name}.service`)
  if (launchd !== null && enabled) await launchd.unload(labelOf(spec.name))
  remove(path)
  // Where no systemd could be asked, its own link is still there.
  if (ground.manager === 'systemd' && removed) remove(wantsPath(path))
  await systemd?.reload()
  if (removed)
    await recordEvent(project.db, { at: project.clock.now(), type: 'service.removed', data: { name: spec.name } })
  return { removed, name: spec.name, path }
}

function noManager(): OvError {
  const message =
    process.platform === 'linux'
      ? 'No systemd of yours can be reached from here: there is none, or this terminal is not in a session of it.'
      : 'This machine has no service manager that ov knows (systemd on Linux, launchd on macOS).'
  return new OvError('failed', 'service.no-manager', message, { hint: 'ov watch --background' })
}

function notOurs(path: string): OvError {
  return new OvError('conflict', 'service.not-ours', `${path} is there, and ov did not write it.`, {
    hint: `Look what it is, and move it away: cat ${path}`,
  })
}
