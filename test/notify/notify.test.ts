import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findAgent } from '../../src/agents/store.ts'
import type { Config } from '../../src/config/schema.ts'
import { NOTICE_KINDS } from '../../src/contract/notices.ts'
import { sendMail } from '../../src/mail/send.ts'
import { deliverNotices } from '../../src/notify/deliver.ts'
import { collectNotices } from '../../src/notify/outbox.ts'
import { afterSending, messageOf, type Notice, noticeOf, sentBy } from '../../src/notify/rules.ts'
import { findProgram } from '../../src/os/files.ts'
import { hmacSha256 } from '../../src/os/hmac.ts'
import { run } from '../../src/os/process.ts'
import type { Project } from '../../src/project.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

interface Got {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

let room: Mailroom
let server: Server
let got: Got[]
/** What the receiver answers, in turn; then 200. */
let answers: (number | 'never' | 'hang up')[]
let url: string
beforeEach(async () => {
  room = await mailroom()
  await room.agent('asker')
  got = []
  answers = []
  server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      got.push({ headers: request.headers, body })
      const answer = answers.shift() ?? 200
      if (answer === 'hang up') request.socket.destroy()
      else if (answer !== 'never') response.writeHead(answer, { location: 'http://127.0.0.1:1/' }).end('ok')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
})
afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await room.dispose()
})

type Notify = Config['notify']

function project(notify: Partial<Notify> = { webhook: { url, timeout: 2_000 } }): Project {
  const root = dirname(room.databasePath)
  const config = { notify: { on: [...NOTICE_KINDS], desktop: false, ...notify } }
  return { ...room, root, configRoot: root, config, name: 'shop', bare: false, stateDir: root } as unknown as Project
}

beforeEach(async () => {
  const root = dirname(room.databasePath)
  await run(['git', 'init', '--quiet', root])
})

const ask = async (subject: string) => {
  const asker = await findAgent(room.db, 'asker')
  return sendMail(room, { from: asker?.id ?? '', to: 'human', type: 'question', subject })
}

const deliver = (notify?: Partial<Notify>) => deliverNotices(project(notify), new AbortController().signal)
const texts = () => got.map(({ body }) => JSON.parse(body).text)
const events = async (type: string) =>
  (await room.db.selectFrom('events').selectAll().where('type', '=', type).execute()).map(({ data_json: data }) =>
    JSON.parse(data),
  )

test('a webhook is told each thing once, from when it was configured on', async () => {
  await ask('Before anybody listened')
  await deliver()
  await ask('Which database?')
  await deliver()
  await deliver()
  expect(got).toHaveLength(1)
  expect(JSON.parse(got[0]?.body ?? '')).toMatchObject({
    project: 'shop',
    kinds: ['question'],
    title: 'shop: asker asks',
    text: 'Which database?',
    hint: expect.stringMatching(/^ov ask answer [0-9a-f]{8} "…"$/),
    count: 1,
  })
  expect(got[0]?.headers['x-ov-delivery']).toBe(JSON.parse(got[0]?.body ?? '').id)
  expect(await events('notify.sent')).toMatchObject([{ channel: 'webhook', count: 1, tries: 1 }])
})

test('the body is signed with the secret of a variable, which itself goes nowhere', async () => {
  process.env.HOOK_SECRET = 'correct horse battery'
  const notify = { webhook: { url, timeout: 2_000, secret: 'HOOK_SECRET' } }
  try {
    await deliver(notify)
    await ask('Signed? The key is correct horse battery, and sk-ant-REDACTED')
    await deliver(notify)
  } finally {
    delete process.env.HOOK_SECRET
  }
  const [{ headers, body } = { headers: {}, body: '' }] = got
  expect(headers['x-ov-signature']).toBe(`sha256=${hmacSha256('correct horse battery', body)}`)
  expect(JSON.parse(body).text).toBe('Signed? The key is [HOOK_SECRET], and [secret]')
  await ask('Without its key nothing goes out unsigned')
  room.clock.advance(60_000)
  await deliver(notify)
  expect(got).toHaveLength(1)
})

test('control characters and newlines do not leave ov', async () => {
  await deliver()
  await ask('\u001b[31mred\u001b[0m\u0007 and \u202egnitirw\nnext')
  await deliver()
  expect(texts()).toEqual(['red and gnitirw next'])
})

test('a burst is folded into a digest', async () => {
  await deliver()
  await ask('First')
  await deliver()
  for (let at = 0; at < 20; at++) await ask(`Question ${at}`)
  await deliver()
  expect(got).toHaveLength(1)
  room.clock.advance(10_000)
  await deliver()
  expect(got).toHaveLength(2)
  const digest = JSON.parse(got[1]?.body ?? '')
  expect(digest).toMatchObject({ title: 'shop: 20 things need you', count: 20, hint: 'ov status' })
  expect(digest.text).toContain('asker asks: Question 4\n… and 15 more')
})

test('what fails is tried again, later and later, under the same id; what is refused is not', async () => {
  await deliver()
  answers = [500, 'hang up', 'never', 200]
  await ask('Take this')
  for (let tries = 1; tries <= 4; tries++) {
    await deliver()
    expect(got).toHaveLength(tries)
    await deliver()
    expect(got).toHaveLength(tries)
    room.clock.advance(5_000 * 2 ** (tries - 1))
  }
  await deliver()
  expect(got).toHaveLength(4)
  expect(new Set(got.map(({ headers }) => headers['x-ov-delivery'])).size).toBe(1)

  answers = [404]
  room.clock.advance(60_000)
  await ask('And this')
  await deliver()
  room.clock.advance(600_000)
  await deliver()
  expect(got).toHaveLength(5)
  expect(await events('notify.given-up')).toMatchObject([{ channel: 'webhook', why: 'it answered 404' }])
})

test('a redirect is not followed', async () => {
  await deliver()
  answers = [302]
  await ask('Somewhere else?')
  await deliver()
  expect(await events('notify.given-up')).toMatchObject([{ why: 'it answered 302' }])
})

test('who is killed before it was sent leaves it to the next; killed after, it comes again under the same id', async () => {
  await deliver()
  await ask('Alive?')
  await collectNotices(project())
  const left = { state: 'sending', batch: '0190aaaa-bbbb-7ccc-8ddd-eeeeffff0001', tries: 1 } as const
  await room.db.updateTable('notifications').set(left).execute()
  await ask('Meanwhile')
  await deliver()
  expect(texts()).toEqual(['Alive?'])
  expect(got[0]?.headers['x-ov-delivery']).toBe(left.batch)
  room.clock.advance(10_000)
  await deliver()
  expect(texts()).toEqual(['Alive?', 'Meanwhile'])
})

test('of two that tell at the same time only one does', async () => {
  await deliver()
  await ask('Once')
  await Promise.all([deliver(), deliver(), deliver()])
  expect(got).toHaveLength(1)
})

/** A program that keeps what it is given. */
function keeper(folder: string): { program: string; kept: () => string[] } {
  mkdirSync(folder, { recursive: true })
  const [program, file] = [join(folder, 'keep'), join(folder, 'kept')]
  const script = `#!/bin/sh\n{ printf '%s|' "$OV_NOTICE_TITLE" "$@"; cat; } >> '${file}'\n`
  writeFileSync(program, script, { mode: 0o755 })
  writeFileSync(file, '')
  return { program, kept: () => readFileSync(file, 'utf8').split('\n').filter(Boolean) }
}

test('a command gets its arguments as they are, the message on its standard input, and no shell reads any of it', async () => {
  const { program, kept } = keeper(`${dirname(room.databasePath)}-tools`)
  const notify = { command: [program, '$(touch pwned)', '; ls'] }
  await deliver(notify)
  await ask('$(touch pwned) `id`')
  await deliver(notify)
  const [line = ''] = kept()
  expect(line).toMatch(/^shop: asker asks\|\$\(touch pwned\)\|; ls\|\{/)
  expect(JSON.parse(line.slice(line.indexOf('{')))).toMatchObject({ text: '$(touch pwned) `id`' })
})

/** A program outside of the repository that does this. */
function doing(script: string): string {
  const folder = `${dirname(room.databasePath)}-tools`
  mkdirSync(folder, { recursive: true })
  const program = join(folder, 'do')
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return program
}

test('what a command says of its failure is recorded without secrets', async () => {
  process.env.PAGER_TOKEN = 'correct horse battery'
  const notify = { command: [doing('echo "401 for $PAGER_TOKEN and sk-ant-REDACTED" >&2; exit 1')] }
  try {
    await deliver(notify)
    await ask('Anybody?')
    await deliver(notify)
  } finally {
    delete process.env.PAGER_TOKEN
  }
  const rows = await room.db.selectFrom('notifications').select('error').execute()
  expect(rows).toEqual([{ error: 'it ended with 1: 401 for [PAGER_TOKEN] and [secret]' }])
})

test('a window that a command leaves open keeps nobody waiting, and is left open', async () => {
  const left = join(`${dirname(room.databasePath)}-tools`, 'left')
  const notify = { command: [doing(`setsid sleep 600 & echo $! > '${left}'`)] }
  await deliver(notify)
  await ask('Look here')
  await deliver(notify)
  const pid = Number(readFileSync(left, 'utf8'))
  try {
    expect(await events('notify.sent')).toMatchObject([{ channel: 'command', tries: 1 }])
    expect(process.kill(pid, 0)).toBe(true)
  } finally {
    process.kill(pid, 'SIGKILL')
  }
})

test('a message at which every sender is killed is given up, too', async () => {
  await deliver()
  await ask('Who dies of this?')
  await collectNotices(project())
  const left = { state: 'sending', batch: '0190aaaa-bbbb-7ccc-8ddd-eeeeffff0001', tries: 8 } as const
  await room.db.updateTable('notifications').set(left).execute()
  await ask('And the next?')
  await deliver()
  expect(texts()).toEqual(['And the next?'])
  expect(await events('notify.given-up')).toMatchObject([{ id: left.batch, why: expect.stringContaining('killed') }])
})

test('nothing of the repository is run or called: no program in it, nothing that a tracked local file names', async () => {
  const root = dirname(room.databasePath)
  const inside = keeper(join(root, 'tools'))
  await deliver({ command: [inside.program] })
  await ask('Run me')
  await deliver({ command: [inside.program] })
  expect(inside.kept()).toEqual([])
  expect(await events('notify.given-up')).toMatchObject([{ why: expect.stringContaining('lies in the repository') }])

  writeFileSync(join(root, 'overstory.local.yaml'), 'notify: {}\n')
  await run(['git', '-C', root, 'add', '--force', 'overstory.local.yaml'])
  await deliver()
  await ask('Call me')
  room.clock.advance(60_000)
  await deliver()
  expect(got).toEqual([])
  expect((await events('notify.given-up'))[1]).toMatchObject({
    why: expect.stringContaining('git tracks overstory.local.yaml'),
  })
})

test('without a desktop that is said, and not tried again', async () => {
  const has = findProgram('notify-send') ?? findProgram('osascript')
  await deliver({ desktop: true })
  await ask('Seen?')
  await deliver({ desktop: true })
  const [given] = await events('notify.given-up')
  if (has === null) expect(given?.why).toContain('no notify-send')
})

test('what a person is told of, and of what not', () => {
  const noted = { agent: 'builder-1', mail: null }
  const kind = (type: string, data: Record<string, unknown>, mail: Parameters<typeof noticeOf>[0]['mail'] = null) =>
    noticeOf({ ...noted, type, data, mail })?.kind ?? null
  const mail = { id: '0190aaaa-bbbb-7ccc-8ddd-eeeeffff0001', from: 'builder-1', bySystem: false, subject: 'x' }
  expect(kind('agent.escalated', { to: 'human', question: mail.id })).toBe('escalation')
  expect(kind('agent.escalated', { to: 'lead-1', question: mail.id })).toBeNull()
  expect(kind('mail.sent', { to: 'human' }, { ...mail, type: 'question' })).toBe('question')
  expect(kind('mail.sent', { to: 'human' }, { ...mail, type: 'decision_gate' })).toBe('question')
  expect(kind('mail.sent', { to: 'human' }, { ...mail, type: 'escalation' })).toBe('escalation')
  // The event agent.escalated has told of it.
  expect(kind('mail.sent', { to: 'human' }, { ...mail, type: 'escalation', bySystem: true })).toBeNull()
  expect(kind('mail.sent', { to: 'human' }, { ...mail, type: 'status' })).toBeNull()
  expect(kind('agent.failed', { reason: 'Its runner died, though … It is put aside.' })).toBe('quarantine')
  expect(kind('agent.failed', { reason: 'Gate red' })).toBe('failed')
  expect(kind('merge.blocked', { why: 'main is red' })).toBe('main-red')
  expect(kind('limit.hit', { cause: 'auth', provider: 'anthropic' })).toBe('auth')
  expect(kind('limit.hit', { cause: 'rate_limit', provider: 'anthropic' })).toBeNull()
})

test('times and answers', () => {
  const failed = { ok: false, why: 'x', refused: false } as const
  expect([1, 2, 3, 7].map((tries) => afterSending(failed, tries))).toEqual([
    { do: 'again', inMs: 5_000 },
    { do: 'again', inMs: 10_000 },
    { do: 'again', inMs: 20_000 },
    { do: 'again', inMs: 320_000 },
  ])
  expect(afterSending(failed, 8)).toEqual({ do: 'give-up', why: 'x' })
  expect([200, 204, 301, 400, 408, 429, 500].map((status) => sentBy(status))).toMatchObject([
    { ok: true },
    { ok: true },
    { refused: true },
    { refused: true },
    { refused: false },
    { refused: false },
    { refused: false },
  ])
  const one: Notice = { kind: 'question', title: 'a', text: 'b'.repeat(5_000), hint: null }
  expect(messageOf([one], 'shop', (text) => text).text).toHaveLength(600)
})
