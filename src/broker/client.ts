import { connect, type Socket } from 'node:net'
import { codeOf, OvError } from '../errors.ts'
import type { Answer } from './protocol.ts'

/** A line to the broker of this agent. As long as it is open, the broker knows that its caller lives. */
export interface BrokerLine {
  /**
   * Asks the broker to do something; one thing at a time.
   * @throws {OvError} what the operation threw, or `broker.gone` when the runner is not there
   */
  call(op: string, input: unknown): Promise<unknown>
  close(): void
}

/** Opens a line to a broker's socket. Whether somebody is there shows with the first call. */
export function openBrokerLine(path: string): BrokerLine {
  const socket: Socket = connect(path)
  let text = ''
  let broken: Error | null = null
  let waiting: { resolve(line: string): void; reject(error: Error): void } | null = null
  let last: Promise<unknown> = Promise.resolve()

  const fail = (error: Error) => {
    broken ??= error
    waiting?.reject(broken)
    waiting = null
  }
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    text += chunk
    const end = text.indexOf('\n')
    if (end < 0) return
    const line = text.slice(0, end)
    text = text.slice(end + 1)
    waiting?.resolve(line)
    waiting = null
  })
  socket.on('close', () => fail(gone()))
  socket.on('error', (error) => {
    const left = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(codeOf(error) ?? '')
    fail(left ? gone(error) : error)
  })

  const ask = async (op: string, input: unknown): Promise<unknown> => {
    if (broken) throw broken
    const line = await new Promise<string>((resolve, reject) => {
      waiting = { resolve, reject }
      socket.write(`${JSON.stringify({ op, input })}\n`)
    })
    const answer = JSON.parse(line) as Answer
    if (answer.ok) return answer.result
    const { kind, code, message, hint } = answer.error
    throw new OvError(kind, code, message, hint === undefined ? {} : { hint })
  }

  return {
    call(op, input) {
      const result = last.then(() => ask(op, input))
      // The next call waits for this one, however it ends.
      last = result.catch(() => undefined)
      return result
    },
    close: () => socket.destroy(),
  }
}

function gone(cause?: unknown): OvError {
  return new OvError('failed', 'broker.gone', 'The runner of this agent is not there any more.', {
    hint: 'Stop working: what you have committed is kept.',
    cause,
  })
}
