import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import * as z from 'zod'
import { messageOf, OvError } from '../errors.ts'
import { type Answer, MAX_REQUEST } from './protocol.ts'

const requestSchema = z.object({ op: z.string(), input: z.unknown() })

export interface Broker {
  close(): Promise<void>
}

/** Answers one operation; what it throws becomes the answer. `gone` aborts when the caller hangs up. */
export type Handle = (op: string, input: unknown, gone: AbortSignal) => Promise<unknown>

/** Serves an agent's socket. Who speaks is known by the socket alone; nothing in a request can claim another name. */
export async function serveBroker(path: string, handle: Handle): Promise<Broker> {
  rmSync(path, { force: true })
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    const hangUp = new AbortController()
    socket.on('close', () => {
      sockets.delete(socket)
      hangUp.abort()
    })
    // A caller killed in mid-answer resets the connection; its `close` follows and is all that matters.
    socket.on('error', () => hangUp.abort())
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (text.length > MAX_REQUEST) {
        reply(socket, {
          ok: false,
          error: { kind: 'user', code: 'broker.too-long', message: 'The request is too long.' },
        })
        socket.end()
        return
      }
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const line = text.slice(0, end)
        text = text.slice(end + 1)
        void answer(line, handle, hangUp.signal).then((result) => reply(socket, result))
      }
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  return {
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
        rmSync(path, { force: true })
      }),
  }
}

function reply(socket: Socket, answer: Answer): void {
  if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`)
}

async function answer(line: string, handle: Handle, gone: AbortSignal): Promise<Answer> {
  try {
    const request = requestSchema.safeParse(JSON.parse(line))
    if (!request.success) throw new OvError('user', 'broker.bad-request', 'Not a request.')
    return { ok: true, result: (await handle(request.data.op, request.data.input, gone)) ?? null }
  } catch (error) {
    if (error instanceof OvError) {
      return {
        ok: false,
        error: {
          kind: error.kind,
          code: error.code,
          message: error.message,
          ...(error.hint === undefined ? {} : { hint: error.hint }),
        },
      }
    }
    return { ok: false, error: { kind: 'failed', code: 'broker.failed', message: messageOf(error) } }
  }
}
