import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { amp } from './amp.ts'
import { anthropic } from './anthropic.ts'
import { chat } from './chat.ts'
import { gemini } from './gemini.ts'
import { responses } from './responses.ts'
import type { Ask, Hands, Reply, Step } from './script.ts'
import type { Wire } from './wire.ts'

const WIRES: readonly Wire[] = [anthropic, responses, chat, gemini]

/** A request as it came. */
export interface Logged {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
  /** Of which script it was a step: its name, `side` for a side request, null for what is no question to the model. */
  readonly script: string | null
  readonly ask: Ask | null
}

/** A model that says what its script says, on 127.0.0.1. */
export interface Llm {
  readonly url: string
  readonly requests: readonly Logged[]
  /** Main requests that no script answered, or that came after its last step. */
  readonly unscripted: readonly Ask[]
  /** From now on conversations in which `when` holds are answered by these steps, in order, one a request. */
  play(name: string, when: (ask: Ask) => boolean, steps: readonly Step[]): void
  /** From now on side requests in which `when` holds are answered so. */
  aside(when: (ask: Ask) => boolean, text: string): void
  /** The main requests of one script, in order. */
  asked(name: string): Ask[]
  close(): Promise<void>
}

/**
 * Starts a scripted model that knows every wire format by its paths, and the tools of one CLI by its `hands`. Requests with tools on offer are a conversation; others (titles, summaries) get a harmless answer.
 */
export async function startLlm(hands: Hands): Promise<Llm> {
  const requests: Logged[] = []
  const unscripted: Ask[] = []
  const asides: { when: (ask: Ask) => boolean; text: string }[] = []
  const scripts: { name: string; when: (ask: Ask) => boolean; steps: Step[] }[] = []
  // Amp's server keeps its threads: one for each start.
  const wires = [...WIRES, amp()]
  const upgraded = new Set<Duplex>()
  let count = 0

  const answer = async (ask: Ask): Promise<{ script: string; reply: () => Reply | Promise<Reply> }> => {
    if (ask.tools.length === 0) {
      const { text = 'Scripted side answer' } = asides.find(({ when }) => when(ask)) ?? {}
      return { script: 'side', reply: () => ({ is: 'message', text, calls: [] }) }
    }
    const script = scripts.find((one) => one.when(ask))
    while (script !== undefined && hasPassed(script.steps[0])) script.steps.shift()
    const step = script?.steps[0]
    if (!script || !step) {
      unscripted.push(ask)
      return { script: script?.name ?? '?', reply: () => ({ is: 'message', text: 'The script is over.', calls: [] }) }
    }
    if (step.lasting === undefined) script.steps.shift()
    return { script: script.name, reply: () => step.reply(ask, hands) }
  }

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString('utf8')
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    const body = jsonOrNull(text)
    const note = (script: string | null, ask: Ask | null) =>
      requests.push({ method: request.method ?? '', path, headers: request.headers, body: text, script, ask })
    for (const wire of wires) {
      const ask = request.method === 'POST' ? wire.read(path, body) : null
      if (ask !== null) {
        const { script, reply } = await answer(ask)
        note(script, ask)
        wire.write(await reply(), ask, response, String(++count).padStart(6, '0'))
        return
      }
      if (wire.aside(request, path, body, response)) {
        note(null, null)
        return
      }
    }
    note(null, null)
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":{"message":"not scripted"}}')
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      // A client killed in mid-request tears its connection; anything else shows in the test as a cut answer.
      response.destroy(error instanceof Error ? error : undefined)
    })
  })
  server.on('upgrade', (request, socket) => {
    upgraded.add(socket)
    socket.on('close', () => upgraded.delete(socket))
    const { pathname: path } = new URL(request.url ?? '/', 'http://localhost')
    const asked = async (ask: Ask): Promise<Reply> => {
      const { script, reply } = await answer(ask)
      requests.push({ method: 'WS', path, headers: request.headers, body: '', script, ask })
      return reply()
    }
    if (!wires.some((wire) => wire.upgrade?.(request, socket, asked))) socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    unscripted,
    play: (name, when, steps) => void scripts.push({ name, when, steps: [...steps] }),
    aside: (when, text) => void asides.push({ when, text }),
    asked: (name) => requests.flatMap((one) => (one.script === name && one.ask !== null ? [one.ask] : [])),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
        for (const socket of upgraded) socket.destroy()
      }),
  }
}

/** A step that held for a time, and that time is over. */
function hasPassed(step: Step | undefined): boolean {
  return typeof step?.lasting === 'function' && !step.lasting()
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON: the wire formats then say it is none of theirs.
    return null
  }
}
