import type { NoticeKind } from '../contract/notices.ts'
import { oneLine } from '../mail/frame.ts'

/*
 * Which events a person is told of, in which words, and when. Everything here is pure.
 *
 *   event ──► due ──(taken: a batch, with its id)──► sending ──(it went out)──► sent
 *              ▲                                        │
 *              └──(later and later)── it failed ────────┤
 *                                                       └──(too often, or refused for good)──► given-up
 *
 * Who is killed while a batch is sending leaves it to the next, which sends it again under the same id: at least once.
 */

/** Something a person is told. Plain text, no secrets. */
export interface Notice {
  readonly kind: NoticeKind
  readonly title: string
  readonly text: string
  /** The next thing to type. */
  readonly hint: string | null
}

/** Types of events that may be worth telling. */
export const NOTABLE = [
  'agent.escalated',
  'mail.sent',
  'agent.failed',
  'merge.blocked',
  'limit.hit',
] as const satisfies readonly string[]

export function isNotable(type: string): boolean {
  return (NOTABLE as readonly string[]).includes(type)
}

/** An event, and what has to be looked up for it. */
export interface Noted {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
  /** Name of the agent it is about. */
  readonly agent: string | null
  /** The mail it is about. */
  readonly mail: {
    readonly id: string
    readonly from: string
    readonly bySystem: boolean
    readonly type: string
    readonly subject: string
  } | null
}

/** What a person is told of an event; null: nothing. */
export function noticeOf({ type, data, agent, mail }: Noted): Notice | null {
  const who = agent ?? 'An agent'
  switch (type) {
    case 'agent.escalated':
      if (data.to !== 'human' || typeof data.question !== 'string') return null
      return {
        kind: 'escalation',
        title: `${who} needs a decision`,
        text: mail === null ? String(data.why ?? '') : mail.subject,
        hint: `ov ask answer ${data.question.slice(-8)} …`,
      }
    case 'mail.sent':
      return mail === null || data.to !== 'human' ? null : mailed(mail)
    case 'agent.failed': {
      const reason = String(data.reason ?? '').split('\n')[0] ?? ''
      const aside = /put aside/.test(reason)
      return {
        kind: aside ? 'quarantine' : 'failed',
        title: aside ? `${who} is put aside` : `${who} failed`,
        text: reason,
        hint: `ov why ${who}`,
      }
    }
    case 'merge.blocked':
      return { kind: 'main-red', title: 'Nothing can be merged', text: String(data.why ?? ''), hint: 'ov status' }
    case 'limit.hit':
      // Of an account, once for all its agents.
      if (data.cause !== 'auth') return null
      return {
        kind: 'auth',
        title: `The login of ${String(data.provider)} was refused`,
        text: `${who} met it; what needs this login waits.`,
        hint: 'ov limits',
      }
    default:
      return null
  }
}

function mailed({ id, from, bySystem, type, subject }: NonNullable<Noted['mail']>): Notice | null {
  const short = id.slice(-8)
  if (type === 'question' || type === 'decision_gate')
    return { kind: 'question', title: `${from} asks`, text: subject, hint: `ov ask answer ${short} "…"` }
  // What `ov` itself puts to you is told by the event of its own.
  if (type !== 'escalation' || bySystem) return null
  return { kind: 'escalation', title: `${from} calls for you`, text: subject, hint: `ov mail read ${short}` }
}

/** Longest title and text that leave `ov`, in characters. */
const LONGEST_TITLE = 100
const LONGEST_TEXT = 600
/** So many notices of a burst are named. */
const NAMED = 5

/** What is said of several notices at once: of one, what it says; of more, a digest. */
export function messageOf(
  notices: readonly Notice[],
  project: string,
  clean: (text: string) => string,
): { title: string; text: string; hint: string | null } {
  const [first] = notices
  const say = (text: string, width: number) => oneLine(clean(text), width)
  if (first !== undefined && notices.length === 1) {
    const { title, text, hint } = first
    return { title: say(`${project}: ${title}`, LONGEST_TITLE), text: say(text, LONGEST_TEXT), hint }
  }
  const lines = notices.slice(0, NAMED).map(({ title, text }) => say(`${title}: ${text}`, 160))
  const more = notices.length - lines.length
  return {
    title: say(`${project}: ${notices.length} things need you`, LONGEST_TITLE),
    text: [...lines, ...(more > 0 ? [`… and ${more} more`] : [])].join('\n'),
    hint: 'ov status',
  }
}

/** Between two messages on one channel lies at least so long, in ms: what comes meanwhile is folded into one. */
export const SPACING_MS = 10_000
const FIRST_PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 10 * 60_000
/** So often a message is tried. */
export const MOST_TRIES = 8

/** How sending a message went. `refused`: trying again would not help. */
export type Sent = { readonly ok: true } | { readonly ok: false; readonly why: string; readonly refused: boolean }

export type AfterSending =
  | { readonly do: 'done' }
  | { readonly do: 'again'; readonly inMs: number }
  | { readonly do: 'give-up'; readonly why: string }

/** @param tries how often it was tried, this time included */
export function afterSending(sent: Sent, tries: number): AfterSending {
  if (sent.ok) return { do: 'done' }
  if (sent.refused || tries >= MOST_TRIES) return { do: 'give-up', why: sent.why }
  return { do: 'again', inMs: Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1)) }
}

/** Whether an answer to a webhook means that it was taken, or that it never will be. */
export function sentBy(status: number): Sent {
  if (status >= 200 && status < 300) return { ok: true }
  const later = status === 408 || status === 425 || status === 429 || status >= 500
  return { ok: false, why: `it answered ${status}`, refused: !later }
}
