import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Ask, Reply } from './script.ts'

/** One vendor's wire format. Another one is another file, and an entry in `WIRES` of server.ts. */
export interface Wire {
  /** The request as an `Ask`, or null when it is none of this format's. */
  read(path: string, body: unknown): Ask | null
  write(reply: Reply, ask: Ask, response: ServerResponse, id: string): void
  /** Answers what is no question to the model (a greeting, a token count); false when it is not this format's either. */
  aside(request: IncomingMessage, path: string, body: unknown, response: ServerResponse): boolean
  /** Takes over a WebSocket, over which the model is asked by `answer`; false when it is none of this format's. */
  upgrade?(request: IncomingMessage, socket: Duplex, answer: (ask: Ask) => Promise<Reply>): boolean
}
