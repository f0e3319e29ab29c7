import { connect } from 'node:net'
import { codeOf, OvError } from '../errors.ts'
import type { Answer } from './protocol.ts'

/**
 * Asks the broker of this agent to do something.
 *
 * @param hold called with the connection's end, for operations that wait
 * @throws {OvError} what the operation threw, or `broker.gone` when the runner is not there
 */
export function callBroker(path: string, op: string, input: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let text = ''
    const gone = (cause?: unknown) =>
      reject(
        new OvError('failed', 'broker.gone', 'The runner of this agent is not there any more.', {
          hint: 'Stop working: what you have committed is kept.',
          cause,
        }),
      )
    socket.setEncoding('utf8')
    socket.on('connect', () => socket.write(`${JSON.stringify({ op, input })}\n`))
    socket.on('data', (chunk: string) => {
      text += chunk
      const end = text.indexOf('\n')
      if (end < 0) return
      socket.end()
      const answer = JSON.parse(text.slice(0, end)) as Answer
      if (answer.ok) resolve(answer.result)
      else
        reject(
          new OvError(
            answer.error.kind,
            answer.error.code,
            answer.error.message,
            answer.error.hint === undefined ? {} : { hint: answer.error.hint },
          ),
        )
    })
    socket.on('close', () => gone())
    socket.on('error', (error) => {
      if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(codeOf(error) ?? '')) gone(error)
      else reject(error)
    })
  })
}
