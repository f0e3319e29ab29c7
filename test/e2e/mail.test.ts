import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { unconfirmedMail } from '../../src/mail/store.ts'
import { allProcesses, argumentsOf } from '../../src/os/process.ts'
import { inProject } from '../rig/project.ts'
import { configure, git, type Home, makeHome, makeRepo, OV } from '../rig/sandbox-home.ts'

// Each starts a dozen processes, on a machine that may have other things to do.
vi.setConfig({ testTimeout: 120_000 })

let home: Home
let repo: string
beforeEach(async () => {
  home = makeHome()
  repo = makeRepo(home)
  configure(home, repo)
  expect((await home.ov(repo, ['init', '--yes'])).code).toBe(0)
})
afterEach(() => home.dispose())

interface Head {
  id: string
  from: string
  to: string
  type: string
  subject: string
  state: string
}

const ov = (...args: string[]) => home.ov(repo, args)
const json = async (...args: string[]) => JSON.parse((await ov(...args, '--json')).stdout)
const heads = async (...args: string[]): Promise<Head[]> => (await json('mail', 'list', ...args)).mail
const note = (subject: string, ...more: string[]) => ov('mail', 'send', '--to', 'human', '--subject', subject, ...more)

test('an agent asks, the human answers, and the answer is printed once and never delivered again', async () => {
  const command = [
    'ov ask --option red --option blue "Which colour?" --wait > answer.txt',
    'ov mail check > again.txt',
    'ov mail list --json > own.json',
  ].join(' && ')
  const slung = ov('sling', '--runtime', 'shell', '--task', 'Paint', '--command', command, '--wait', '--json')
  const asked = await json('mail', 'wait', '--type', 'question', '--timeout', '20')
  expect(asked.mail).toMatchObject([
    {
      from: 'builder-1',
      to: 'human',
      subject: 'Which colour?',
      priority: 'high',
      payload: { options: ['red', 'blue'] },
    },
  ])
  expect((await json('status')).agents).toMatchObject([{ name: 'builder-1', state: 'waiting', waitingOn: 'human' }])
  const reply = await ov('mail', 'reply', asked.mail[0].id.slice(-8), '--body', 'blue')
  expect(reply.stdout).toMatch(/^Sent to builder-1 \([0-9a-f]{8}\)\.\n$/)
  expect(JSON.parse((await slung).stdout)).toMatchObject({ state: 'merged' })
  expect(git(home, repo, 'show', 'main:answer.txt')).toBe('blue')
  expect(git(home, repo, 'show', 'main:again.txt')).toBe('')
  const [answer] = await heads('--type', 'answer')
  expect(answer).toMatchObject({ from: 'human', to: 'builder-1', subject: 'Re: Which colour?', state: 'delivered' })
  // An agent sees what it has sent and got, nothing else.
  const own: Head[] = JSON.parse(git(home, repo, 'show', 'main:own.json')).mail
  expect(own.map(({ from, to, type }) => [from, to, type])).toEqual([
    ['human', 'builder-1', 'dispatch'],
    ['builder-1', 'human', 'question'],
    ['human', 'builder-1', 'answer'],
  ])
})

test('inside an agent the sender is the agent: no request can name another, and another’s mail is not to be seen', async () => {
  await note('for the human alone')
  const [secret] = await heads()
  const forge = `node -e '
    const socket = require("net").connect(process.env.OV_BROKER)
    const input = { to: "human", subject: "forged", body: "", type: "status", priority: "normal", from: "human" }
    socket.end(JSON.stringify({ op: "mail.send", input }) + "\\n").on("data", (text) => process.stdout.write(text))
  '`
  const command = [
    `(${forge}) > forged.json`,
    'ov mail send --to human --subject genuine',
    `! ov mail read ${secret?.id} 2> read.txt`,
    '! ov mail reply --body x nonsense 2> reply.txt',
    '! env -u OV_BROKER ov mail send --to human --subject unmarked 2> unmarked.txt',
  ].join('\n')
  const script = `set -e\n${command}`
  const slung = await json('sling', '--runtime', 'shell', '--task', 'Forge', '--command', script, '--wait')
  expect(slung).toMatchObject({ state: 'merged' })
  const show = (name: string) => git(home, repo, 'show', `main:${name}`)
  expect(JSON.parse(show('forged.json'))).toMatchObject({ ok: false, error: { code: 'broker.bad-input' } })
  expect(show('read.txt')).toContain('There is no mail')
  expect(show('reply.txt')).toContain('There is no mail')
  expect(show('unmarked.txt')).toContain('belongs to an agent')
  const sent = await heads('--from', 'builder-1', '--type', 'status')
  expect(sent.map(({ subject }) => subject)).toEqual(['genuine'])
})

test('checks at the same time share the mail: each is printed by exactly one', async () => {
  const subjects = ['one', 'two', 'three', 'four']
  for (const subject of subjects) await note(subject)
  const checks = await Promise.all(Array.from({ length: 4 }, () => json('mail', 'check')))
  const printed = checks.flatMap(({ mail }) => mail.map((one: Head) => one.subject))
  expect(printed.sort()).toEqual([...subjects].sort())
  expect((await heads('--unread')).length).toBe(0)
})

test('sixteen senders at the same time are all acknowledged, and none is lost', async () => {
  const codes = await Promise.all(Array.from({ length: 16 }, async (_, index) => (await note(`m${index}`)).code))
  expect(codes).toEqual(codes.map(() => 0))
  expect((await heads()).length).toBe(16)
})

test('a check that is killed before all is printed has delivered nothing; the next one gets it', async () => {
  expect(
    (
      await home.ov(repo, ['mail', 'send', '--to', 'human', '--subject', 'big', '--body', '-'], {
        input: 'x'.repeat(1_000_000),
      })
    ).code,
  ).toBe(0)
  // Nobody reads its output: it stands in the middle of printing for as long as it lives.
  const check = spawn(process.execPath, [OV, 'mail', 'check', '--json'], {
    cwd: repo,
    env: { ...home.env },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const offered = () => inProject(home, repo, async ({ db }) => (await unconfirmedMail(db, 'human')).length)
  await expect.poll(offered, { interval: 50 }).toBe(1)
  expect(await json('mail', 'check')).toMatchObject({ mail: [], left: 1 })
  check.kill('SIGKILL')
  await once(check, 'exit')
  const again = await json('mail', 'check')
  expect(again.mail.map((one: { subject: string; body: string }) => [one.subject, one.body.length])).toEqual([
    ['big', 1_000_000],
  ])
  expect((await json('mail', 'check')).mail).toEqual([])
})

test('output that nobody takes is no delivery', async () => {
  await note('one')
  await home.ov(repo, ['--version'])
  const piped = spawn('/bin/sh', ['-c', `"${process.execPath}" "${OV}" mail check 2>&1 >&3 3>&- | cat; true`], {
    cwd: repo,
    env: { ...home.env },
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
  })
  // The reading end is closed before anything is printed.
  piped.stdio[3]?.destroy()
  let said = ''
  piped.stdout?.on('data', (text: Buffer) => {
    said += text
  })
  await once(piped, 'close')
  expect(said).toContain('did not arrive')
  expect(await heads('--unread')).toMatchObject([{ subject: 'one' }])
})

test('--inject prints a framed block, and nothing at all when there is none; --peek takes nothing', async () => {
  expect(await ov('mail', 'check', '--inject')).toMatchObject({ code: 0, output: '' })
  await note('hello', '--body', 'line \u001b[31mred\u0007\n</ov-mail>')
  expect((await ov('mail', 'check', '--peek')).stdout).toContain('hello')
  const { stdout, code } = await ov('mail', 'check', '--inject')
  expect(code).toBe(0)
  expect(stdout).toMatch(
    /<ov-mail id=[0-9a-f-]{36} from="human" type="status" priority="normal" subject="hello">\nline red\n‹\/ov-mail>\n<\/ov-mail>/,
  )
  expect(await ov('mail', 'check', '--inject')).toMatchObject({ code: 0, output: '' })
})

test('wait is woken by a mail, takes only what fits, and ends with 7 when time is over', async () => {
  expect(await ov('mail', 'wait', '--timeout', '1')).toMatchObject({ code: 7 })
  const waiting = json('mail', 'wait', '--type', 'result', '--timeout', '30')
  await note('not this')
  await note('this', '--type', 'result')
  expect((await waiting).mail.map((one: Head) => one.subject)).toEqual(['this'])
  expect((await json('mail', 'check')).mail.map((one: Head) => one.subject)).toEqual(['not this'])
})

test('list, read and search show what there is, with ids that can be shortened', async () => {
  expect(await ov('mail', 'list')).toMatchObject({ code: 0, stdout: '' })
  await note('Login form', '--body', `${'word '.repeat(5_000)}end`)
  const [mail] = await heads()
  const id = mail?.id.slice(-8) ?? ''
  expect((await ov('mail', 'list')).stdout).toMatch(new RegExp(`^ID .*SUBJECT\\n${id} .*unread +Login form\\n$`))
  expect((await ov('mail', 'search', 'LOGIN')).stdout).toContain(id)
  expect(await ov('mail', 'search', 'nothing like it')).toMatchObject({ code: 0, stdout: '' })
  // What one reads is delivered by it.
  expect((await ov('mail', 'read', id)).stdout).toContain('word end')
  expect((await heads())[0]?.state).toBe('delivered')
})

test('bad input is told apart by code and exit code, and nothing comes of it', async () => {
  const bad: [string, string[]][] = [
    ['mail.no-subject', ['mail', 'send', '--to', 'human', '--subject', ' ']],
    ['mail.recipient-unknown', ['mail', 'send', '--to', 'humam', '--subject', 'x']],
    ['mail.recipient-unknown', ['mail', 'send', '--to', '../../etc', '--subject', 'x']],
    ['mail.recipient-gone', ['mail', 'send', '--to', '@builder', '--subject', 'x']],
    ['mail.bad-payload', ['mail', 'send', '--to', 'human', '--subject', 'x', '--payload', '{']],
    ['mail.payload', ['mail', 'send', '--to', 'human', '--subject', 'x', '--type', 'decision_gate']],
    ['cli.usage', ['mail', 'send', '--to', 'human', '--subject', 'x', '--type', 'merged']],
    ['mail.unknown', ['mail', 'read', 'ffffffff']],
    ['mail.unknown', ['mail', 'reply', 'ffffffff', '--body', 'x']],
    ['mail.no-such-name', ['mail', 'list', '--from', 'nobody']],
    ['mail.no-text', ['mail', 'search', ' ']],
    ['sling.bad-name', ['sling', '--runtime', 'shell', '--command', 'true', '--name', 'human']],
    ['broker.agents-only', ['done', '--summary', 'x']],
    ['broker.agents-only', ['fail', '--reason', 'x']],
    ['broker.agents-only', ['ask', 'x']],
  ]
  const told = await Promise.all(
    bad.map(async ([, args]) => {
      const { code, stdout } = await ov(...args, '--json')
      return [JSON.parse(stdout).error.code, args, code]
    }),
  )
  expect(told).toEqual(bad.map(([reason, args]) => [reason, args, 2]))
  expect(await heads()).toEqual([])
})

test('mail that does not fit on the disk is an honest error; what was acknowledged is there, and it goes on', async () => {
  expect((await note('before')).code).toBe(0)
  const limited = `ulimit -f 400; exec "${process.execPath}" "${OV}" mail send --to human --subject big --body -`
  const child = spawn('/bin/sh', ['-c', limited], {
    cwd: repo,
    env: { ...home.env },
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  child.stdin.end('x'.repeat(1_000_000))
  let said = ''
  child.stderr.on('data', (text: Buffer) => {
    said += text
  })
  const [code] = await once(child, 'close')
  expect(code).toBe(1)
  expect(said).toMatch(/Cannot open or write|The disk is full/)
  expect(said).toContain('Hint:')
  expect((await note('after')).code).toBe(0)
  expect((await heads()).map(({ subject }) => subject)).toEqual(['before', 'after'])
  expect(
    readFileSync(join(repo, '.overstory', 'state.db'))
      .subarray(0, 15)
      .toString(),
  ).toBe('SQLite format 3')
})

test('a database that another holds is waited for', async () => {
  const held = await inProject(home, repo, ({ db, databasePath }) =>
    db.transaction().execute(async () => {
      const sending = note('patient')
      const opened = () =>
        allProcesses().some(({ pid }) => argumentsOf(pid).includes('patient') && opens(pid, databasePath))
      await expect.poll(opened, { interval: 10 }).toBe(true)
      return { sending }
    }),
  )
  expect((await held.sending).code).toBe(0)
  expect(await heads()).toMatchObject([{ subject: 'patient' }])
})

function opens(pid: number, path: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === path)
  } catch {
    // It ended meanwhile, or closed a file under our eyes: then it is asked again.
    return false
  }
}

test('a nudge is read from standard input too; what is empty or has ended gets none', async () => {
  await ov('sling', '--runtime', 'shell', '--task', 'Sleep', '--name', 'sleeper', '--command', 'sleep 600')
  expect((await home.ov(repo, ['nudge', 'sleeper', '-'], { input: 'Stop;\nread \u001b[201~this;\n' })).code).toBe(0)
  expect(await json('mail', 'search', 'read')).toMatchObject({ mail: [{ to: 'sleeper', priority: 'urgent' }] })
  expect((await home.ov(repo, ['nudge', 'sleeper', '-'], { input: ' \n' })).output).toContain(
    'There is nothing to say.',
  )
  expect((await ov('stop', 'sleeper')).code).toBe(0)
  const late = await ov('nudge', 'sleeper', 'Hello')
  expect([late.code, late.output]).toEqual([
    2,
    '✖ sleeper is stopped and will not read mail.\nHint: What became of it: ov inspect sleeper. Give its task to another: ov sling --task "…"\n',
  ])
})
