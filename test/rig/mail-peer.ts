import { appendFileSync, existsSync, readFileSync, writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { systemClock } from '../../src/clock.ts'
import { openDatabase } from '../../src/db/open.ts'
import { codeOf } from '../../src/errors.ts'
import { confirmDelivery, letGo } from '../../src/mail/deliver.ts'
import { markOf } from '../../src/mail/frame.ts'
import { sendMail } from '../../src/mail/send.ts'
import { waitForMail } from '../../src/mail/wait.ts'

/*
 * Sends and reads mail, and may be killed at any moment:
 *   mail-peer.ts DATABASE OWN-ID send RECORD TO COUNT | read TRANSCRIPT | both RECORD TO TRANSCRIPT
 *
 * RECORD is what the outside world knows of its sending: `try N` before mail number N, `ack N` once that is
 * acknowledged; no number is tried twice. TRANSCRIPT is its context: a line `MARK SENDER N` for each mail it took; what
 * stands there after a crash it has read. Every byte on stdout is one step of its work.
 */
const [path = '', id = '', mode = '', ...rest] = process.argv.slice(2)
const post = { db: openDatabase(path), clock: systemClock, databasePath: path }
// A killed process would leave no cache behind, and the next would start slowly.
flushCompileCache()

/** One step more, for whoever counts them; not told when they read too slowly. */
function tell(step: string): void {
  try {
    writeSync(1, step)
  } catch (error) {
    if (codeOf(error) !== 'EAGAIN') throw error
  }
}

async function send(record: string, to: string, count: number): Promise<void> {
  let number = existsSync(record) ? (readFileSync(record, 'utf8').match(/^try /gm)?.length ?? 0) : 0
  for (let left = count; left > 0; left--) {
    number += 1
    appendFileSync(record, `try ${number}\n`)
    tell('t')
    await sendMail(post, { from: id, to, type: 'status', subject: String(number) })
    tell('s')
    appendFileSync(record, `ack ${number}\n`)
    tell('a')
  }
}

async function read(transcript: string): Promise<never> {
  const seen = new Set(existsSync(transcript) ? readFileSync(transcript, 'utf8').match(/^ov-mail \S+/gm) : [])
  const reader = { id, transcript: { has: async (mark: string) => seen.has(mark) } }
  const gone = new AbortController().signal
  for (;;) {
    const { offer, letters } = await waitForMail(post, reader, {}, { gone })
    tell('o')
    for (const { mail } of letters) {
      appendFileSync(transcript, `${markOf(mail.id)} ${mail.sender} ${mail.subject}\n`)
      seen.add(markOf(mail.id))
      tell('r')
    }
    const ids = letters.map(({ mail }) => mail.id)
    await confirmDelivery(post, id, offer, ids)
    letGo(offer)
    tell('c')
  }
}

const [first = '', second = '', third = ''] = rest
if (mode === 'send') await send(first, second, Number(third))
else if (mode === 'read') await read(first)
else await Promise.all([send(first, second, Number.POSITIVE_INFINITY), read(third)])
await post.db.destroy()
