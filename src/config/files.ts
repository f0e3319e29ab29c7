import { homedir } from 'node:os'
import { join } from 'node:path'

export const CONFIG_FILE = 'overstory.yaml'
/** Laid over `overstory.yaml` on this machine only; git does not see it. */
export const LOCAL_CONFIG_FILE = 'overstory.local.yaml'

/** The user's own configuration, for all projects. */
function userConfigFile(): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'overstory', 'config.yaml')
}

/** A file that settings of a project can stand in: `file` is what a person calls it. */
export interface ConfigFile {
  readonly kind: 'local' | 'project' | 'user'
  readonly path: string
  readonly file: string
}

/** The files that settings of a project can stand in, the strongest first, whether or not they are there. */
export function configFiles(root: string): ConfigFile[] {
  const user = userConfigFile()
  const home = `${homedir()}/`
  return [
    { kind: 'local', path: join(root, LOCAL_CONFIG_FILE), file: LOCAL_CONFIG_FILE },
    { kind: 'project', path: join(root, CONFIG_FILE), file: CONFIG_FILE },
    { kind: 'user', path: user, file: user.startsWith(home) ? `~/${user.slice(home.length)}` : user },
  ]
}
