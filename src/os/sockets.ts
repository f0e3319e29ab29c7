import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { codeOf } from '../errors.ts'
import { listFolder } from './files.ts'

/** True when somebody listens on a unix socket, or when that can't be told. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const answer = (listening: boolean) => {
      socket.destroy()
      resolve(listening)
    }
    socket.on('connect', () => answer(true))
    socket.on('error', (error) => answer(!['ECONNREFUSED', 'ENOENT'].includes(codeOf(error) ?? '')))
  })
}

/** Paths of the sockets in a folder on which nobody listens any more. */
export async function deadSocketsIn(folder: string, spared: readonly string[]): Promise<string[]> {
  const dead: string[] = []
  for (const name of listFolder(folder)) {
    const path = join(folder, name)
    if (name.endsWith('.sock') && !spared.includes(name) && !(await isListening(path))) dead.push(path)
  }
  return dead
}

/** Removes the sockets in a folder that processes left which were killed: nobody listens on them. Gives how many. */
export async function sweepSockets(folder: string, spared: readonly string[]): Promise<number> {
  const dead = await deadSocketsIn(folder, spared)
  for (const path of dead) rmSync(path, { force: true })
  return dead.length
}
