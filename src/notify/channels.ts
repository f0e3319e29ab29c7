import { homedir } from 'node:os'
import { isAbsolute } from 'node:path'
import { LOCAL_CONFIG_FILE } from '../config/files.ts'
import { withoutSecrets } from '../config/secrets.ts'
import { messageOf } from '../errors.ts'
import { oneLine } from '../mail/frame.ts'
import { findProgram, isWithin } from '../os/files.ts'
import { gitAt, trackedUnder } from '../os/git.ts'
import { hmacSha256 } from '../os/hmac.ts'
import { postJson } from '../os/http.ts'
import { run } from '../os/process.ts'
import type { Project } from '../project.ts'
import { redactorOf } from '../runner/redact.ts'
import { type Sent, sentBy } from './rules.ts'
import type { Channel } from './store.ts'

/** What leaves `ov`: the JSON that a webhook gets as its body, and a command on its standard input. */
export interface Message {
  /** The same when it is sent again because nobody knows whether it arrived. */
  readonly id: string
  readonly project: string
  readonly kinds: readonly string[]
  readonly title: string
  readonly text: string
  /** The next thing to type; null where there is none. */
  readonly hint: string | null
  /** How many things it is about. */
  readonly count: number
  /** When the last of them happened, ms since the epoch. */
  readonly at: number
}

/** Of what went wrong so many characters are kept. */
const LONGEST_WHY = 300
/** Longest time for a command or the desktop, in ms. */
const PATIENCE_MS = 20_000

/** What sends a message on a channel. It never throws: what goes wrong is a value, without secrets. */
export function senderFor(project: Project, channel: Channel): (message: Message) => Promise<Sent> {
  const send = { desktop: onDesktop, command: byCommand, webhook: byWebhook }[channel]
  return async (message) => {
    const sent = await send(project, message).catch((error: unknown): Sent => {
      return { ok: false, why: messageOf(error), refused: false }
    })
    return sent.ok ? sent : { ...sent, why: oneLine(withoutSecrets(redactorOf(process.env)(sent.why)), LONGEST_WHY) }
  }
}

async function onDesktop(_project: Project, { title, text, hint }: Message): Promise<Sent> {
  const body = hint === null ? text : `${text}\n→ ${hint}`
  const argv = desktopCommand(title, body)
  if (argv === null) return { ok: false, why: 'there is no notify-send and no osascript here', refused: true }
  return ran(await run(argv, { timeoutMs: PATIENCE_MS, leaves: true }))
}

/** Text is an argument of its own, never part of a script. Desktops take some of it for markup. */
function desktopCommand(title: string, body: string): string[] | null {
  const notifySend = findProgram('notify-send')
  if (notifySend !== null) {
    const plain = body.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
    return [notifySend, '--app-name=ov', '--', title, plain]
  }
  const osascript = findProgram('osascript')
  if (osascript === null) return null
  const script = 'display notification (item 2 of argv) with title (item 1 of argv)'
  return [osascript, '-e', 'on run argv', '-e', script, '-e', 'end run', title, body]
}

async function byCommand(project: Project, message: Message): Promise<Sent> {
  const untrusted = await whyUntrusted(project)
  if (untrusted !== null) return { ok: false, why: untrusted, refused: true }
  const [program = '', ...rest] = project.config.notify.command ?? []
  const path = isAbsolute(program) ? program : findProgram(program)
  if (path === null) return { ok: false, why: `there is no program ${program} on PATH`, refused: true }
  if (isWithin(project.root, path))
    return { ok: false, why: `${program} lies in the repository, and nothing of it is run`, refused: true }
  const env = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || name.startsWith('OV_') ? [] : [[name, value]],
    ),
  )
  const { title, text, hint, kinds } = message
  const told = {
    OV_NOTICE_TITLE: title,
    OV_NOTICE_TEXT: text,
    OV_NOTICE_HINT: hint ?? '',
    OV_NOTICE_KINDS: kinds.join(),
  }
  const input = `${JSON.stringify(message)}\n`
  const options = { cwd: homedir(), env: { ...env, ...told }, input, timeoutMs: PATIENCE_MS, leaves: true }
  return ran(await run([path, ...rest], options))
}

async function byWebhook(project: Project, message: Message): Promise<Sent> {
  const untrusted = await whyUntrusted(project)
  if (untrusted !== null) return { ok: false, why: untrusted, refused: true }
  const { webhook } = project.config.notify
  if (webhook === undefined) return { ok: false, why: 'no webhook is configured', refused: true }
  const body = JSON.stringify(message)
  const key = webhook.secret === undefined ? undefined : process.env[webhook.secret]
  // Unsigned it would be refused there; another terminal may have the key.
  if (webhook.secret !== undefined && !key)
    return { ok: false, why: `the variable ${webhook.secret} is not set here`, refused: false }
  const headers = {
    'user-agent': 'ov',
    'x-ov-delivery': message.id,
    ...(key === undefined ? {} : { 'x-ov-signature': `sha256=${hmacSha256(key, body)}` }),
  }
  return sentBy(await postJson(webhook.url, { body, headers }, webhook.timeout))
}

/**
 * Why what is configured to run or to be called is not. It comes from a file of this machine's own (a committed one may
 * not name any, see `readConfig`); once git tracks that file, it may have come with the repository.
 */
async function whyUntrusted({ configRoot, bare }: Project): Promise<string | null> {
  if (bare || (await trackedUnder(gitAt(configRoot), LOCAL_CONFIG_FILE, 1)).length === 0) return null
  return `git tracks ${LOCAL_CONFIG_FILE}, so it may have come with the repository: git rm --cached ${LOCAL_CONFIG_FILE}`
}

function ran({ code, timedOut, output }: Awaited<ReturnType<typeof run>>): Sent {
  if (code === 0) return { ok: true }
  const said = output.trim().split('\n').at(-1) ?? ''
  const how = timedOut ? `it took longer than ${PATIENCE_MS / 1_000} s` : `it ended with ${code ?? 'a signal'}`
  return { ok: false, why: said === '' ? how : `${how}: ${said}`, refused: false }
}
