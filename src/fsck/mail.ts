import { isOpen } from '../agents/store.ts'
import { HUMAN, SYSTEM } from '../contract/mail.ts'
import type { Breach, Invariant, Look } from './invariant.ts'
import type { MailFacts } from './store.ts'

const nameOf = ({ agents }: Look, id: string) => agents.get(id)?.name ?? id

/** What became of every mail that was acknowledged. */
export const MAIL_INVARIANTS: readonly Invariant[] = [
  {
    name: 'mail-reaches-somebody',
    promise: 'Mail that waits has a reader that will read it; what has none has gone back.',
    check(look) {
      const waiting = look.rows.mail.filter((mail) => mail.delivered_at === null && mail.bounced_at === null)
      return [...Map.groupBy(waiting, ({ reader }) => reader)].flatMap(([reader, mails]): Breach[] => {
        const agent = look.agents.get(reader)
        if (reader === HUMAN || (agent && isOpen(agent))) return []
        const what = agent === undefined ? 'whom nobody knows' : `which is ${agent.state}`
        return [{ what: `${mails.length} mails wait for ${nameOf(look, reader)}, ${what}.`, hint: 'ov up' }]
      })
    },
  },
  {
    name: 'mail-in-order',
    promise: 'Mails of one sender reach an agent in the order in which they were sent.',
    check(look) {
      // A person picks; an agent is handed what is next, unless it asked for one mail. Kinds and answers may be waited
      // for on their own.
      const picked = new Set(mailsIn(look, 'mail.picked'))
      const inLine = look.rows.mail.filter(
        (mail) =>
          mail.bounced_at === null &&
          look.agents.has(mail.reader) &&
          mail.thread_id === mail.id &&
          !picked.has(mail.id),
      )
      // By the order of the records where there is one: clocks are set, back too.
      const recorded = new Map(
        mailsByEvent(look, 'mail.delivered').flatMap((mails, at) => mails.map((id) => [id, at] as const)),
      )
      const isAfter = (mail: MailFacts, next: MailFacts) => {
        const [at, then] = [recorded.get(mail.id), recorded.get(next.id)]
        if (at !== undefined && then !== undefined) return at > then
        return (mail.delivered_at ?? Number.POSITIVE_INFINITY) > (next.delivered_at ?? 0)
      }
      const lines = Map.groupBy(inLine, (mail) => [mail.reader, mail.sender, mail.priority_rank, mail.type].join(' '))
      return [...lines.values()].flatMap((line): Breach[] => {
        const late = line.find((mail, at) => {
          const next = line.slice(at + 1).find(({ delivered_at: delivered }) => delivered !== null)
          return next !== undefined && isAfter(mail, next)
        })
        return late === undefined
          ? []
          : [{ what: `${sayMail(look, late)} was overtaken by a later one.`, hint: read(late) }]
      })
    },
  },
  {
    name: 'mail-once',
    promise: 'A mail is delivered once, or goes back, never both.',
    check(look) {
      const times = new Map<string, number>()
      for (const id of mailsIn(look, 'mail.delivered')) times.set(id, (times.get(id) ?? 0) + 1)
      return look.rows.mail.flatMap((mail): Breach[] => {
        const { delivered_at: delivered, bounced_at: bounced } = mail
        const count = times.get(mail.id) ?? 0
        const say = (how: string) => [{ what: `${sayMail(look, mail)} ${how}.`, hint: read(mail) }]
        if (delivered !== null && bounced !== null) return say('was delivered and went back')
        if (count > 1) return say(`was delivered ${count} times`)
        if (delivered === null && count > 0) return say('was recorded as delivered and still waits')
        // Who answers what is asked about an agent has had the question, by whatever way.
        const isAnswered = mail.type === 'escalation'
        if (delivered !== null && mail.offer_id === null && !isAnswered)
          return say('was delivered without having been offered')
        return []
      })
    },
  },
]

/** The mails that each event of this type names, the oldest event first. */
function mailsByEvent({ rows }: Look, type: string): string[][] {
  return rows.events.flatMap((event) =>
    event.type === type ? [(JSON.parse(event.data_json) as { mail: string[] }).mail] : [],
  )
}

function mailsIn(look: Look, type: string): string[] {
  return mailsByEvent(look, type).flat()
}

function sayMail(look: Look, { id, sender, reader }: MailFacts): string {
  const from = sender === SYSTEM ? 'ov' : nameOf(look, sender)
  return `Mail ${id.slice(-8)} from ${from} to ${nameOf(look, reader)}`
}

function read({ thread_id: thread }: MailFacts): string {
  return `ov mail list --thread ${thread}`
}
