import { HUMAN, PRIORITIES, SENDABLE_TYPES } from '../contract/mail.ts'
import { mailWaits } from '../mail/waits.ts'
import { agentAbove } from '../os/tree.ts'
import { databaseOf } from '../state-dir.ts'
import { type Manner, say, tell, theirWay } from './hot-call.ts'
import { plainWords } from './hot-words.ts'

/** `ov mail check`, as in commands/mail/check.ts. False, with nothing done, where that one has to do it. */
export async function mailCheck(argv: readonly string[]): Promise<boolean> {
  const words = plainWords(argv, { inject: { type: 'boolean' } })
  const way = words === null ? null : theirWay()
  if (words === null || way === null) return false
  if (way.is === 'human' && agentAbove() === null && mailWaits(databaseOf(way.root), HUMAN) === false) {
    sayThatThereIsNone(words)
    return true
  }
  const { checkMailBy } = await import('./hot-mail-work.ts')
  await checkMailBy(way, words)
  return true
}

function sayThatThereIsNone(words: Manner & { readonly inject?: boolean | undefined }): void {
  tell(words, { mail: [], prompt: '', left: 0 }, '')
  if (!words.inject) say(words, 'No new mail.')
}

/** `ov mail send`, as in commands/mail/send.ts. False, with nothing done, where that one has to do it. */
export async function mailSend(argv: readonly string[]): Promise<boolean> {
  const words = plainWords(argv, {
    to: { type: 'string' },
    subject: { type: 'string', short: 's' },
    body: { type: 'string', short: 'b' },
    type: { type: 'string' },
    priority: { type: 'string' },
  })
  if (words === null) return false
  const { to, subject, body = '' } = words
  const type = SENDABLE_TYPES.find((one) => one === (words.type ?? 'status'))
  const priority = PRIORITIES.find((one) => one === (words.priority ?? 'normal'))
  if (to === undefined || subject === undefined || body === '-' || type === undefined || priority === undefined)
    return false
  // It carries its options, which are checked there.
  if (type === 'decision_gate') return false
  const way = theirWay()
  if (way === null) return false
  const { sendMailBy } = await import('./hot-mail-work.ts')
  await sendMailBy(way, words, { to, subject, body, type, priority })
  return true
}
