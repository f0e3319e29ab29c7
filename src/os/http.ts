import { type ClientRequest, type IncomingMessage, request as open } from 'node:http'
import { request as openSecure } from 'node:https'

/** A request to a server on loopback. */
export interface Request {
  /** `http://127.0.0.1:4096`, without a path. */
  readonly origin: string
  readonly method: string
  /** Begins with `/`. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
}

export interface Response {
  readonly status: number
  /** At most `LONGEST` bytes of it. */
  readonly text: string
}

/** Longest answer that is taken in, in bytes. */
const LONGEST = 16 * 1024 * 1024

/**
 * Makes a request and takes in all of the answer.
 *
 * @param timeoutMs for all of it
 * @throws what the connection failed with, or that it took too long
 */
export async function ask(request: Request, timeoutMs: number): Promise<Response> {
  const signal = AbortSignal.timeout(timeoutMs)
  const response = await begin(request, signal)
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length <= LONGEST) chunks.push(chunk)
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }
}

/**
 * Opens an answer that has no end of its own, to be read as it comes.
 *
 * @param timeoutMs until it begins
 * @throws what the connection failed with, or a status other than 200
 */
export async function openStream(request: Request, timeoutMs: number): Promise<IncomingMessage> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(new Error(`${request.path} did not begin in time`)), timeoutMs)
  try {
    const response = await begin(request, limit.signal)
    if (response.statusCode === 200) return response
    response.destroy()
    throw new Error(`${request.path} answered ${response.statusCode}`)
  } finally {
    clearTimeout(timer)
  }
}

function begin({ origin, method, path, headers, body }: Request, signal: AbortSignal): Promise<IncomingMessage> {
  const text = body === undefined ? null : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const request: ClientRequest = open(`${origin}${path}`, {
      method,
      signal,
      // A connection of its own: one that was kept may be closed by the server at the very moment it is used again.
      agent: false,
      headers: {
        ...headers,
        ...(text === null
          ? {}
          : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
      },
    })
    request.on('response', resolve).on('error', reject)
    request.end(text ?? undefined)
  })
}

/**
 * Posts a JSON document and gives the status of the answer. No redirect is followed: it could lead anywhere.
 *
 * @param timeoutMs for all of it
 * @throws what the connection failed with, or that it took too long
 */
export function postJson(
  address: string,
  { body, headers }: { body: string; headers: Readonly<Record<string, string>> },
  timeoutMs: number,
): Promise<number> {
  const signal = AbortSignal.timeout(timeoutMs)
  const begin = address.startsWith('https:') ? openSecure : open
  return new Promise((resolve, reject) => {
    const request = begin(address, {
      method: 'POST',
      signal,
      agent: false,
      headers: {
        ...headers,
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
      },
    })
    request.on('error', reject).on('response', (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
      response.on('error', reject)
    })
    request.end(body)
  })
}
