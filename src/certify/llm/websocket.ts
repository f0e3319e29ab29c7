import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/** One WebSocket of a client's, the server's end of it (RFC 6455). As much as a scripted server on loopback needs: text, no extensions. */
export interface TextSocket {
  send(text: string): void
  /** Cuts the connection without a word of farewell. */
  cut(): void
}

/** What the owner of a socket wants to hear. */
export interface SocketReader {
  text(text: string): void
  closed(): void
}

/** Takes a client's upgrade request, of whose subprotocols it speaks the first. */
export function acceptSocket(request: IncomingMessage, socket: Duplex, reader: SocketReader): TextSocket {
  const key = request.headers['sec-websocket-key'] ?? ''
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64')
  const protocol = request.headers['sec-websocket-protocol']?.split(',')[0]?.trim()
  socket.write(
    [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${accept}`,
      ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
      '\r\n',
    ].join('\r\n'),
  )
  let unread: Buffer = Buffer.alloc(0)
  let message: Buffer[] = []
  socket.on('data', (chunk: Buffer) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk])
    for (let frame = frameIn(unread); frame !== null; frame = frameIn(unread)) {
      unread = unread.subarray(frame.length)
      if (frame.opcode === CLOSE) socket.end(frameOf(CLOSE, frame.payload))
      else if (frame.opcode === PING) socket.write(frameOf(PONG, frame.payload))
      else if (frame.opcode !== PONG) {
        message.push(frame.payload)
        if (!frame.final) continue
        const text = Buffer.concat(message).toString('utf8')
        message = []
        reader.text(text)
      }
    }
  })
  // A client that was killed tears its connection, or only ends its half; `close` follows.
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.destroy())
  socket.on('close', () => reader.closed())
  return {
    send(text) {
      if (socket.writable) socket.write(frameOf(TEXT, Buffer.from(text)))
    },
    cut: () => void socket.destroy(),
  }
}

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const TEXT = 1
const CLOSE = 8
const PING = 9
const PONG = 10

interface Frame {
  readonly opcode: number
  readonly final: boolean
  readonly payload: Buffer
  /** Of the whole frame, in bytes. */
  readonly length: number
}

/** The first frame of the bytes, null while it is not whole. */
function frameIn(bytes: Buffer): Frame | null {
  const [first = 0, second = 0] = bytes
  const short = second & 0x7f
  const head = short === 126 ? 4 : short === 127 ? 10 : 2
  if (bytes.length < head) return null
  const size = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
  const start = head + (second & 0x80 ? 4 : 0)
  if (bytes.length < start + size) return null
  const mask = bytes.subarray(head, start)
  const payload = Buffer.from(bytes.subarray(start, start + size))
  for (let at = 0; mask.length > 0 && at < size; at++) payload[at] = (payload[at] ?? 0) ^ (mask[at % 4] ?? 0)
  return { opcode: first & 0x0f, final: (first & 0x80) !== 0, payload, length: start + size }
}

/** A server's frames are whole and not masked. */
function frameOf(opcode: number, payload: Buffer): Buffer {
  const size = payload.length
  const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10)
  head[0] = 0x80 | opcode
  head[1] = size < 126 ? size : size < 65_536 ? 126 : 127
  if (head.length === 4) head.writeUInt16BE(size, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2)
  return Buffer.concat([head, payload])
}
