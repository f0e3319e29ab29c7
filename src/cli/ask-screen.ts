import type { Answered } from '../escalation/answer.ts'
import { sayBlocked } from '../escalation/blocked.ts'
import { meaningOf } from '../escalation/letter.ts'
import type { OpenQuestion } from '../escalation/questions.ts'
import { oneLine, plainText } from '../mail/frame.ts'
import { ago, span } from './ages.ts'
import { shortId } from './letter-text.ts'
import { style } from './style.ts'
import { widthOf, wrapTo } from './width.ts'

/** What became of an answer, in a line. */
export function sayDecided({ agent, did, waitMs }: Omit<Answered, 'mail'>): string {
  switch (did) {
    case 'sent':
      return `Sent to ${agent}.`
    case 'waits':
      return `${agent} is left alone for ${span(waitMs ?? 0)}.`
    case 'restarted':
      return `${agent} begins anew, told what it has done; its commits and files stay.`
    case 'stopped':
      return `${agent} is stopped. Its commits are kept.`
    case 'left':
      return `${agent} is to begin anew. Its program or login is missing here: ov watch does it, or ov up from where they are.`
  }
}

/** Of a long question so many lines are shown; all of it is in the mail. */
const MOST_LINES = 12

/** What waits for an answer, one after another, each with what may be answered and what to type. */
export function questionsScreen(questions: readonly OpenQuestion[], now: number, width: number): string[] {
  return questions.flatMap((question, index) => [...(index === 0 ? [] : ['']), ...questionLines(question, now, width)])
}

function questionLines(question: OpenQuestion, now: number, width: number): string[] {
  const { id, kind, agent, to, subject, options, since, blocks } = question
  const waits = sayBlocked(blocks, agent)
  const head = [
    kind === 'escalation' ? `about ${agent}` : `${agent} asks${to === 'human' ? '' : ` ${to}`}`,
    ...(kind === 'escalation' && to !== 'human' ? [`waits for ${to}`] : []),
    ago(since, now),
    ...(waits === '' ? [] : [waits]),
    shortId(id),
  ]
  const type = `ov ask answer ${shortId(id)}`
  return [
    ...wrapTo(head.join(' · '), width).map((line) => style.dim(line)),
    ...wrapTo(oneLine(subject, 300), width).map((line) => style.bold(line)),
    ...bodyLines(question, width),
    ...optionLines(options, agent, width),
    `${style.dim('→')} ${options.length === 0 ? `${type} "…"` : `${type} 1`}`,
  ]
}

/** The text, without what is listed below it anyway. */
function bodyLines({ id, kind, subject, body }: OpenQuestion, width: number): string[] {
  const told = kind === 'escalation' ? (body.split(/^Reply with one of these/m)[0] ?? '') : body
  // The subject says what is seen.
  const text = plainText(told.replace(/^What is seen: .*\n/m, '')).trim()
  if (text === '' || text === subject.trim()) return []
  const lines = text.split('\n').flatMap((line) => wrapTo(line, width))
  const more = lines.length > MOST_LINES ? [style.dim(`… all of it: ov mail read ${shortId(id)}`)] : []
  return [...lines.slice(0, MOST_LINES), ...more]
}

function optionLines(options: readonly string[], agent: string, width: number): string[] {
  const widest = Math.max(0, ...options.map((option) => widthOf(oneLine(option, 60))))
  return options.flatMap((option, index) => {
    const name = oneLine(option, 60)
    const meaning = meaningOf(option, agent)
    const padded = meaning === '' ? name : `${name}${' '.repeat(widest - widthOf(name))}  ${meaning}`
    return wrapTo(`  ${index + 1}  ${padded}`, width)
  })
}
