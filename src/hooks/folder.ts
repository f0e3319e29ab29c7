import { join } from 'node:path'

/** Where the private folders of agents lie, below the folder of the project's state. */
export function privateFolder(stateDir: string, agentId: string): string {
  return join(stateDir, 'agents', agentId)
}

/**
 * What `ov-hook` and the runner share, in an agent's private folder. The names are written in `ov-hook` too.
 */
export interface HookFolder {
  /** The script itself, which finds the rest by where it lies. */
  readonly program: string
  /** One file for each call of a hook. */
  readonly spool: string
  /** It is there when mail waits. */
  readonly mail: string
  /** It is there when urgent mail waits. */
  readonly urgent: string
  /** One byte for each call that could not be recorded; it only grows. */
  readonly lost: string
}

export function hookFolder(privateDir: string): HookFolder {
  const folder = join(privateDir, 'hooks')
  return {
    program: join(privateDir, 'bin', 'ov-hook'),
    spool: join(folder, 'spool'),
    mail: join(folder, 'mail'),
    urgent: join(folder, 'urgent'),
    lost: join(folder, 'lost'),
  }
}
