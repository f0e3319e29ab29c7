import { connect } from 'node:net'
import { codeOf } from '../errors.ts'

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
