import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import shell from '../../runtimes/shell.ts'
import type { AgentEvent, AgentRuntime, LaunchPlan, SessionSpec } from '../../src/contract/runtime.ts'
import { openSession, type Session } from '../../src/runner/session.ts'

/*
 * The engine's side of the contract, with runtimes that are shell scripts speaking a tiny protocol: `S id` started,
 * `T` turn start, `A text` accepted, `P text` a piece of text, `E` turn end, `F cause` failed, `R ms` rate limited.
 */

let folder: string
const open: Session[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ov-session-'))
})
afterEach(() => {
  for (const session of open.splice(0)) session.endInput()
  rmSync(folder, { recursive: true, force: true })
})

function read(line: string): AgentEvent[] {
  const [kind = '', ...rest] = line.split(' ')
  const text = rest.join(' ')
  switch (kind) {
    case 'S':
      return [{ type: 'started', session: text }]
    case 'T':
      return [{ type: 'turn_start' }]
    case 'A':
      return [{ type: 'accepted', text: text === '' ? null : text }]
    case 'E':
      return [{ type: 'turn_end' }]
    case 'F':
      return [{ type: 'failed', cause: text as 'auth', message: text }]
    case 'P':
      return [{ type: 'text', text, piece: true }]
    case 'R':
      return [{ type: 'rate_limited', resetAt: Number(text), message: '' }]
    default:
      return [{ type: 'unknown', line }]
  }
}

/** A runtime whose CLI is this script. */
function scripted(script: string, plan: Partial<LaunchPlan>): AgentRuntime {
  return {
    ...shell,
    id: 'scripted',
    can: { ...shell.can, structured: 'duplex', resume: true, steer: true, prompts: true, echo: true },
    start: ({ resume }) => ({
      protocol: 'duplex',
      argv: ['/bin/sh', '-c', script],
      env: resume === undefined ? {} : { RESUME: resume },
      files: [],
      firstPrompt: 'at-once',
      ...plan,
    }),
    sendInput: (text, facts) => ({ by: 'frame', frame: { via: 'stdin', line: `${facts.session ?? '-'} ${text}` } }),
    read,
    exited: ({ code, collected }) => [
      { type: 'text', text: `collected ${collected['usage.json']}` },
      { type: 'failed', cause: 'crash', message: `exit ${code}` },
    ],
  }
}

function opened(runtime: AgentRuntime): {
  session: Session
  events: AgentEvent[]
  seen: (type: string) => AgentEvent[]
} {
  const events: AgentEvent[] = []
  let ran: string | undefined
  const session = openSession({
    runtime,
    program: null,
    contain: (argv) => [...argv],
    deathOf: () => null,
    environment: { PATH: process.env.PATH ?? '' },
    spec: (prompt): SessionSpec => ({
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
    writeFiles: (files) => {
      for (const file of files) writeFileSync(join(folder, file.path), file.content)
    },
    readFile: (path) => (existsSync(join(folder, path)) ? readFileSync(join(folder, path), 'utf8') : null),
    log: { write: () => undefined, close: () => undefined },
    reader: { behind: () => false, caughtUp: (then) => then() },
    emit: (event) => {
      if (event.type === 'started') ran = event.session
      events.push(event)
    },
  })
  open.push(session)
  return { session, events, seen: (type) => events.filter((event) => event.type === type) }
}

test('a command line that no kernel takes is a failure that is reported, not an error', async () => {
  const { session, events } = opened(scripted(`: ${'x'.repeat(256 * 1024)}`, {}))
  session.prompt('Go')
  await expect
    .poll(() => events.at(-1))
    .toMatchObject({
      type: 'failed',
      cause: 'refused',
      message: expect.stringMatching(/^\/bin\/sh could not be started: .*E2BIG/),
    })
  expect([session.busy, session.alive]).toEqual([false, false])
})

test('one process takes many prompts; text for the running turn reaches it', async () => {
  const script = 'echo S id-1; while read -r line; do echo T; echo A $line; case $line in *end) echo E;; esac; done'
  const { session, seen } = opened(scripted(script, {}))
  session.prompt('one')
  await expect.poll(() => seen('accepted').length).toBe(1)
  expect(session.steer('two end')).toBe(true)
  await expect.poll(() => session.busy).toBe(false)
  expect(session.steer('late')).toBe(false)
  session.prompt('three end')
  await expect.poll(() => seen('turn_end').length).toBe(2)
  expect(seen('started')).toHaveLength(1)
  expect(seen('accepted').map((event) => 'text' in event && event.text)).toEqual([
    '- one',
    'id-1 two end',
    'id-1 three end',
  ])
})

test('a prompt whose frame needs the session’s id waits until the runtime told it', async () => {
  const script = 'read -r hello; echo "S from-$hello"; read -r line; echo A $line; echo E'
  const runtime = scripted(script, { firstPrompt: 'after-started', hello: [{ via: 'stdin', line: 'hello' }] })
  const { session, seen } = opened(runtime)
  session.prompt('go')
  await expect.poll(() => seen('turn_end').length).toBe(1)
  expect(seen('accepted')).toEqual([{ type: 'accepted', text: 'from-hello go' }])
})

test('a process that went away between turns is resumed by the next prompt; one that dies in a turn fails it', async () => {
  const script = 'echo S id-1; read -r line; echo "A $RESUME $line"; case $line in *die) exit 3;; esac; echo E'
  const { session, seen } = opened(scripted(script, {}))
  session.prompt('one')
  await expect.poll(() => session.alive).toBe(false)
  expect(seen('failed')).toEqual([])
  session.prompt('two')
  await expect.poll(() => seen('turn_end').length).toBe(2)
  await expect.poll(() => session.alive).toBe(false)
  session.prompt('die')
  await expect.poll(() => seen('failed')).toEqual([{ type: 'failed', cause: 'crash', message: 'exit 3' }])
  expect(seen('accepted')[1]).toEqual({ type: 'accepted', text: 'id-1 id-1 two' })
})

test('with one process a turn, the turn’s end waits for the process, and what it left is collected', async () => {
  const script = 'echo E; echo "{}" > usage.json; echo T'
  const { session, events } = opened(
    scripted(script, { protocol: 'turn', firstPrompt: 'included', collect: ['usage.json'] }),
  )
  session.prompt('one')
  await expect.poll(() => session.busy).toBe(false)
  expect(session.alive).toBe(false)
  expect(events).toEqual([{ type: 'turn_start' }, { type: 'text', text: 'collected {}\n' }, { type: 'turn_end' }])
})

test('with one process a turn, its stdin takes text for the running turn where it is left open, and what was taken is known in its order', async () => {
  const script = 'echo T; echo A; while read -r line; do case $line in *lost) echo E;; *) echo A;; esac; done'
  const { session, seen } = opened(scripted(script, { protocol: 'turn', firstPrompt: 'included', control: true }))
  session.prompt('first')
  expect([session.steer('second'), session.steer('third'), session.steer('lost')]).toEqual([true, true, true])
  await expect.poll(() => seen('turn_end').length).toBe(1)
  expect(session.steer('late')).toBe(false)
  expect(seen('accepted').map((event) => 'text' in event && event.text)).toEqual(['first', 'second', 'third'])
  session.prompt('again')
  await expect.poll(() => seen('accepted').at(-1)).toEqual({ type: 'accepted', text: 'again' })
})

test('a process that lingers after its last word is ended, and the turn still ended well', async () => {
  const script = 'echo E; sleep 600 & wait'
  const { session, seen } = opened(scripted(script, { protocol: 'turn', firstPrompt: 'included' }))
  session.prompt('one')
  await expect.poll(() => session.busy, { interval: 100 }).toBe(false)
  expect(seen('failed')).toEqual([])
  expect(seen('turn_end')).toHaveLength(1)
})

test('pieces of a text are one text, and a turn that failed has failed, though its end is told too', async () => {
  const script = 'echo P some; echo P thing; echo T; echo P more; echo F network; echo E'
  const { session, events } = opened(scripted(script, { protocol: 'turn', firstPrompt: 'included' }))
  session.prompt('one')
  await expect.poll(() => session.busy).toBe(false)
  expect(events).toEqual([
    { type: 'text', text: 'something' },
    { type: 'turn_start' },
    { type: 'text', text: 'more' },
    { type: 'text', text: 'collected undefined' },
    { type: 'failed', cause: 'network', message: 'network' },
  ])
})

test('a rate limit’s reset time goes with the failure it leads to', async () => {
  const { session, seen } = opened(scripted('read -r line; echo R 4711; echo F rate_limit', {}))
  session.prompt('one')
  await expect
    .poll(() => seen('failed'))
    .toEqual([{ type: 'failed', cause: 'rate_limit', message: 'rate_limit', resetAt: 4711 }])
})

test('a program that is not there, and a protocol that can’t be driven, are failures and no exceptions', async () => {
  const missing = opened(scripted('', { argv: ['/no/such/program'] }))
  missing.session.prompt('one')
  await expect.poll(() => missing.seen('failed')).toMatchObject([{ cause: 'crash' }])
  const foreign = opened(scripted('', { protocol: 'serve' }))
  foreign.session.prompt('one')
  expect(foreign.seen('failed')).toMatchObject([{ cause: 'refused' }])
})
