import { dirname, join } from 'node:path'
import { isSecret } from '../config/secrets.ts'
import { OvError } from '../errors.ts'

/** What a service that watches over one project is made of. Plain data: the texts follow from it alone. */
export interface ServiceSpec {
  /** `ov-shop-1a2b3c4d5e6f`, of which the name of the file follows. */
  readonly name: string
  /** What the project is called. */
  readonly project: string
  /** The folder it watches. */
  readonly folder: string
  /** Absolute: the program and its arguments. */
  readonly argv: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** A file that a person may write, with what agents need and nobody else may read. */
  readonly environmentFile: string
  /** Where a service manager without a journal writes to. */
  readonly log: string
}

/** What a file begins with that `ov` wrote, and may replace and remove. */
export const MARKER = 'Written by ov service install'

/** Variables a watcher and the agents it brings back need. None of them holds a key. */
const WANTED: readonly string[] = [
  'PATH',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'LC_.*',
  'TZ',
  'TMPDIR',
  'XDG_(RUNTIME_DIR|CONFIG_HOME|CACHE_HOME|DATA_HOME|STATE_HOME)',
  'SSL_CERT_(FILE|DIR)',
  'NODE_EXTRA_CA_CERTS',
  '(https?|no|all)_proxy',
  '(HTTPS?|NO|ALL)_PROXY',
  'CLAUDE_CONFIG_DIR',
  'CODEX_HOME',
  'PI_CODING_AGENT_DIR',
]
const WANTED_PATTERN = new RegExp(`^(${WANTED.join('|')})$`)

/** The part of an environment that a service gets: by an allow-list, and nothing that looks like a secret. */
export function serviceEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env)
      .filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '')
      .filter(([name, value]) => WANTED_PATTERN.test(name) && !/\p{Cc}/u.test(value))
      .filter(([, value]) => !isSecret(value) && !/:\/\/[^/\s]*@/.test(value))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** A name for the service of one project, in letters every service manager takes. */
export function serviceName(project: string, digest: string): string {
  const plain = project
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
  return `ov-${plain === '' ? 'project' : plain}-${digest}`
}

/**
 * Paths go into a service's file line by line.
 * @throws {OvError} `service.path` for one that no such line can hold
 */
export function requireWritablePaths(spec: ServiceSpec): void {
  for (const path of [spec.folder, ...spec.argv, spec.environmentFile, spec.log]) {
    if (!/\p{Cc}/u.test(path) && !/^\s|[\s\\]$/u.test(path)) continue
    throw new OvError('user', 'service.path', `A service cannot be given the path ${JSON.stringify(path)}.`, {
      hint: 'Rename the folder so that it has no line break, and no blank or backslash at its end.',
    })
  }
}

/** Where a person may put what agents need and nobody else may read: `NAME=value`, a line each. */
export function environmentFileIn(configHome: string): string {
  return join(configHome, 'overstory', 'service.env')
}

/** Where systemd looks for a user's units. */
export function unitPath(configHome: string, name: string): string {
  return join(configHome, 'systemd', 'user', `${name}.service`)
}

/** What makes a unit start with the user's session. */
export function wantsPath(unit: string): string {
  return join(dirname(unit), 'default.target.wants', unit.slice(dirname(unit).length + 1))
}

/** Where launchd looks for a user's agents. */
export function plistPath(home: string, name: string): string {
  return join(home, 'Library', 'LaunchAgents', `${labelOf(name)}.plist`)
}

export function labelOf(name: string): string {
  return `dev.oversling.${name}`
}
