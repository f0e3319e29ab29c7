import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { keepOne } from '../os/files.ts'
import { spawnDetached } from '../os/process.ts'
import { OV_MAIN } from '../place.ts'
import type { Project } from '../project.ts'
import { collectNotices } from './outbox.ts'

/** In bytes; what was said before is kept once. */
const LOG_LIMIT = 256 * 1024

/**
 * Notes what a person is to be told of, and starts whoever tells it, where something is due. Others may take their time to
 * listen, so it is a process of its own; of two only one tells.
 */
export async function tellWhatIsDue(project: Project): Promise<void> {
  if (!(await collectNotices(project))) return
  const folder = join(project.stateDir, 'logs')
  const log = join(folder, 'notify.log')
  mkdirSync(folder, { recursive: true })
  keepOne(log, LOG_LIMIT)
  const logFd = openSync(log, 'a')
  const env = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
  spawnDetached([process.execPath, OV_MAIN, 'tend', 'notices'], { cwd: project.configRoot, env, logFd })
  closeSync(logFd)
}
