import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import shell from '../../runtimes/shell.ts'
import type { AgentEvent, AgentRuntime, Frame, LaunchPlan } from '../../src/contract/runtime.ts'
import type { LogStream } from '../../src/runner/raw-log.ts'
import { openServe } from '../../src/runner/serve.ts'
import type { Session } from '../../src/runner/session.ts'

/*
 * The engine's side of the `serve` protocol, with a server that does what its prompts say: each word is an event of its
 * stream (`S id` said as `S:id`) or something it does. What it says while nobody listens is lost, as it is in life.
 */
const SERVER = `
const http = require('node:http')
const { appendFileSync } = require('node:fs')
process.stdin.on('end', () => process.exit(0)).resume()
let stream = null
const all = []
const say = (line) => { all.push(line); stream?.write('data: ' + line + '\\n\\n') }
const auth = 'Basic ' + Buffer.from('ov:' + process.env.SECRET).toString('base64')
const does = {
  cut: () => { stream.destroy(); stream = null },
  die: () => process.exit(3),
  leave: () => { server.close(); stream.end(); setTimeout(() => process.exit(4), 200) },
  long: () => say('A:' + 'x'.repeat(50 * 1024 * 1024)),
  flood: () => { for (let n = 0; n < 20000; n += 1) say('A:' + n) },
}
const server = http.createServer((question, answer) => {
  if (question.headers.authorization !== auth) return answer.writeHead(401).end()
  if (question.url === '/events') {
    answer.writeHead(200, { 'content-type': 'text/event-stream' })
    stream = answer
    return answer.write(': hello\\r\\ndata: hi\\r\\n\\r\\n')
  }
  let body = ''
  question.on('data', (chunk) => { body += chunk }).on('end', () => {
    appendFileSync('requests', question.method + ' ' + question.url + '\\n')
    if (question.url === '/missed') return answer.end(JSON.stringify(all))
    if (question.url === '/stop') { answer.end(); return say('E') }
    if (body.includes('refuse')) return answer.writeHead(400).end('No.')
    answer.end(JSON.stringify('id-1'))
    if (question.url === '/prompt') for (const word of JSON.parse(body).split(' ')) (does[word] ?? (() => say(word)))()
  })
})
appendFileSync('argv', JSON.stringify([process.argv, process.env.SECRET]) + '\\n')
server.listen(0, '127.0.0.1', () => console.log('at ' + (process.env.SAYS ?? 'http://127.0.0.1:' + server.address().port)))
`

let folder: string
const open: Session[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ov-serve-'))
  writeFileSync(join(folder, 'server.cjs'), SERVER)
})
afterEach(async () => {
  for (const session of open.splice(0)) {
    session.endInput()
    await expect.poll(() => session.alive).toBe(false)
  }
  rmSync(folder, { recursive: true, force: true })
})

function read(line: string): AgentEvent[] {
  const [kind = '', rest = ''] = line.split(/:(.*)/s)
  switch (kind) {
    case 'hi':
      return []
    case 'T':
      return [{ type: 'turn_start' }]
    case 'A':
      return [{ type: 'accepted', text: rest }]
    case 'E':
    case 'other/E':
      return [{ type: 'turn_end' }]
    case 'F':
      return [{ type: 'failed', cause: rest as 'auth', message: rest }]
    case 'R': {
      const [attempt, wait] = rest.split('/').map(Number)
      const until = Date.now() + (wait ?? 0)
      return [{ type: 'retrying', attempt: attempt ?? 0, delayMs: 0, until, cause: 'rate_limit', message: 'Too many' }]
    }
    case 'other/U':
      return [{ type: 'usage', usage: USAGE, scope: 'added', costScope: 'added' }]
  }
  const answer = line.startsWith('{') ? (JSON.parse(line) as { answer: string; status: number; body: unknown }) : null
  if (answer?.status === 400) return [{ type: 'failed', cause: 'refused', message: String(answer.body) }]
  if (answer?.answer.endsWith('/session')) return [{ type: 'started', session: String(answer.body) }]
  return answer === null ? [{ type: 'unknown', line }] : []
}

const USAGE = { input: 1, output: 1, cacheRead: null, cacheWrite: null, costUsd: null }

function http(path: string, body?: unknown): Frame {
  return { via: 'http', method: 'POST', path, body }
}

function serving(plan: Partial<LaunchPlan> = {}): AgentRuntime {
  return {
    ...shell,
    id: 'serving',
    title: 'Serving',
    can: { ...shell.can, structured: 'serve', resume: true, steer: true, prompts: true, echo: true },
    start: ({ resume }) => ({
      protocol: 'serve',
      argv: [process.execPath, 'server.cjs'],
      env: {},
      files: [],
      hello: [http(resume === undefined ? '/session' : '/resume/session')],
      firstPrompt: 'after-started',
      service: { ready: '^at (\\S+)', login: { user: 'ov', variable: 'SECRET' }, events: '/events', quietMs: 30_000 },
      ...plan,
    }),
    sendInput: (text) => ({ by: 'frame', frame: http('/prompt', text) }),
    interrupt: () => http('/stop'),
    read,
    saysNothing: (line) => line === 'H',
    stream: {
      of: (line) => ({
        ...(line.startsWith('other/') ? { session: 'other' } : {}),
        ...(/^A:/.test(line) ? { once: line } : {}),
      }),
      missed: () => [http('/missed')],
      caughtUp: (answer) => JSON.parse(answer).body as string[],
    },
    exited: ({ code }) => [{ type: 'failed', cause: 'crash', message: `exit ${code}` }],
  }
}

interface Opened {
  readonly session: Session
  readonly events: AgentEvent[]
  /** What its log was given, and as whose. */
  readonly logged: [LogStream, string][]
  seen(type: AgentEvent['type']): AgentEvent[]
}

function opened(
  runtime: AgentRuntime = serving(),
  reader = { behind: () => false, caughtUp: (then: () => void) => then() },
): Opened {
  const events: AgentEvent[] = []
  const logged: [LogStream, string][] = []
  let ran: string | undefined
  const session = openServe({
    runtime,
    program: null,
    contain: (argv) => [...argv],
    deathOf: () => null,
    environment: { PATH: process.env.PATH ?? '' },
    spec: (prompt) => ({
      agent: 'builder-1',
      sessionId: 'ours',
      ...(ran === undefined ? {} : { resume: ran }),
      worktree: folder,
      gitFolders: [],
      environment: {},
      privateDir: folder,
      instructions: '',
      prompt,
      readOnly: false,
      root: false,
      extraArgs: [],
    }),
    writeFiles: () => undefined,
    readFile: () => null,
    log: { write: (stream, text) => logged.push([stream, text]), close: () => undefined },
    reader,
    emit: (event) => {
      if (event.type === 'started') ran = event.session
      events.push(event)
    },
  })
  open.push(session)
  return { session, events, logged, seen: (type) => events.filter((event) => event.type === type) }
}

const requests = () => readFileSync(join(folder, 'requests'), 'utf8').trim().split('\n')
const starts = () =>
  readFileSync(join(folder, 'argv'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

test('one server takes many prompts, and text for the running turn', async () => {
  const { session, events, seen } = opened()
  session.prompt('A:one T')
  await expect.poll(() => seen('turn_start').length).toBe(1)
  expect(session.steer('A:two E')).toBe(true)
  await expect.poll(() => session.busy).toBe(false)
  expect(session.steer('late')).toBe(false)
  session.prompt('A:three E')
  await expect.poll(() => seen('turn_end').length).toBe(2)
  expect(events.map((event) => (event.type === 'accepted' ? event.text : event.type))).toEqual([
    'started',
    'one',
    'turn_start',
    'two',
    'turn_end',
    'three',
    'turn_end',
  ])
  expect(starts()).toHaveLength(1)
})

test('its password is in no argument, and another for each server', async () => {
  const { session, seen } = opened()
  session.prompt('A:one die')
  await expect.poll(() => seen('failed').length).toBe(1)
  session.prompt('A:two E')
  await expect.poll(() => seen('turn_end').length).toBe(1)
  const [[firstArgv, first], [, second]] = starts() as [[string[], string], [string[], string]]
  expect(first.length).toBeGreaterThan(30)
  expect(first).not.toBe(second)
  expect(firstArgv.join(' ')).not.toContain(first)
})

test('that a server lives and answers is on record, and not as what its agent says', async () => {
  const { session, logged } = opened()
  session.prompt('A:one T H E')
  await expect.poll(() => session.busy).toBe(false)
  const said = logged.filter(([stream]) => stream === 'out').map(([, text]) => text)
  expect(said).toEqual([expect.stringMatching(/^at http/), 'hi', 'A:one', 'T', 'E'])
  const replies = logged.filter(([stream]) => stream === 'reply').map(([, text]) => text)
  expect(replies.sort()).toEqual(['H', expect.stringContaining('/prompt'), expect.stringContaining('/session')])
})

test('what a cut stream did not bring is asked for, and comes once and in order', async () => {
  const { session, events, seen } = opened()
  session.prompt('A:one T A:two cut A:three A:four E')
  await expect.poll(() => session.busy).toBe(false)
  expect(seen('accepted').map((event) => event.type === 'accepted' && event.text)).toEqual([
    'one',
    'two',
    'three',
    'four',
  ])
  expect(seen('turn_end')).toHaveLength(1)
  expect(events.at(-1)?.type).toBe('turn_end')
  session.prompt('A:five E')
  await expect.poll(() => seen('turn_end').length).toBe(2)
  expect(starts()).toHaveLength(1)
})

test('a stream that brings nothing at all is taken for dead, and opened again', async () => {
  const service = { ready: '^at (\\S+)', login: { user: 'ov', variable: 'SECRET' }, events: '/events', quietMs: 100 }
  const { session, seen } = opened(serving({ service }))
  session.prompt('A:one T')
  await expect.poll(() => seen('turn_start').length).toBe(1)
  await expect.poll(() => requests().filter((line) => line === 'POST /missed').length).toBeGreaterThan(1)
  session.steer('E')
  await expect.poll(() => session.busy).toBe(false)
  expect(seen('accepted')).toHaveLength(1)
})

test('a server that dies in the middle of a turn is a failure; the next prompt takes the session up in another', async () => {
  const { session, seen } = opened()
  session.prompt('A:one T die')
  await expect.poll(() => seen('failed')).toEqual([{ type: 'failed', cause: 'crash', message: 'exit 3' }])
  expect(session.alive).toBe(false)
  session.prompt('A:two E')
  await expect.poll(() => seen('turn_end').length).toBe(1)
  expect(requests()).toContain('POST /resume/session')
})

test('a prompt that meets a server which is just ending is taken by the next, once', async () => {
  const { session, seen } = opened()
  session.prompt('A:one E leave')
  await expect.poll(() => seen('turn_end').length).toBe(1)
  session.prompt('A:two E')
  await expect.poll(() => seen('turn_end').length).toBe(2)
  expect(seen('failed')).toEqual([])
  expect(seen('accepted')).toHaveLength(2)
  expect(starts()).toHaveLength(2)
})

test('an end that is told before the turn has begun is an earlier turn’s', async () => {
  const { session, seen } = opened()
  session.prompt('E F:auth A:one T')
  await expect.poll(() => seen('turn_start').length).toBe(1)
  expect([session.busy, seen('turn_end'), seen('failed')]).toEqual([true, [], []])
  session.steer('E')
  await expect.poll(() => session.busy).toBe(false)
})

test('a failure is told once, when the turn has ended; an overflow that is mended is none', async () => {
  const { session, seen } = opened()
  session.prompt('A:one F:auth F:unknown E E F:auth')
  await expect.poll(() => seen('failed')).toMatchObject([{ cause: 'auth' }])
  session.prompt('A:two T F:context T E')
  await expect.poll(() => seen('turn_end').length).toBe(1)
  expect(seen('failed')).toHaveLength(1)
})

test('its own retries end when they are many, or when a limit takes long; when it ends is passed on', async () => {
  const { session, seen } = opened()
  session.prompt('A:one R:1/100 R:2/60000')
  await expect.poll(() => seen('failed').length).toBe(1)
  expect(seen('failed')).toMatchObject([{ cause: 'rate_limit', message: 'Too many', resetAt: expect.any(Number) }])
  session.prompt('A:two R:1/100 R:4/100')
  await expect.poll(() => seen('failed').length).toBe(2)
  expect(requests().filter((line) => line === 'POST /stop')).toHaveLength(2)
  expect(session.alive).toBe(true)
})

test('of another session of the same server only what was used and asked counts', async () => {
  const { session, seen } = opened()
  session.prompt('A:one T other/U other/E A:two')
  await expect.poll(() => seen('accepted').length).toBe(2)
  expect([seen('usage').length, seen('turn_end').length, session.busy]).toEqual([1, 0, true])
  session.steer('E')
  await expect.poll(() => session.busy).toBe(false)
})

test('a refused prompt fails at once, and the next one is taken', async () => {
  const { session, seen } = opened()
  session.prompt('refuse')
  await expect.poll(() => seen('failed')).toEqual([{ type: 'failed', cause: 'refused', message: 'No.' }])
  session.prompt('A:one E')
  await expect.poll(() => seen('turn_end').length).toBe(1)
})

test('a line of 50 MB is no harm, and a flood is read no faster than it is taken', async () => {
  let behind = false
  const stopped: (() => void)[] = []
  const reader = { behind: () => behind, caughtUp: (then: () => void) => void stopped.push(then) }
  const { session, seen } = opened(serving(), reader)
  session.prompt('A:one T long')
  await expect.poll(() => seen('accepted').length).toBe(2)
  const [, long] = seen('accepted')
  expect(long?.type === 'accepted' && long.text?.length).toBeLessThan(5_000)
  behind = true
  session.steer('flood')
  await expect.poll(() => seen('accepted').length).toBeGreaterThan(2)
  const taken = seen('accepted').length
  expect(taken).toBeLessThan(20_000)
  behind = false
  for (const go of stopped) go()
  session.steer('E')
  await expect.poll(() => session.busy).toBe(false)
  expect(seen('accepted')).toHaveLength(20_002)
})

test('an address that is not on loopback is not spoken to', async () => {
  const { session, events } = opened(serving({ env: { SAYS: 'http://192.0.2.1:80' } }))
  session.prompt('A:one E')
  await expect.poll(() => starts().length).toBe(1)
  expect([events, session.busy]).toEqual([[], true])
})
