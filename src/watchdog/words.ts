import type { LimitCause } from '../limits/rules.ts'
import { LIMIT_WORDS } from '../limits/words.ts'
import { oneLine } from '../mail/frame.ts'
import { howFailed } from '../reports/failures.ts'
import type { EventRow } from './signs.ts'
import { minutes } from './tries.ts'

/** What is told of an event: how it is to be taken, and a sentence. */
export interface Words {
  readonly tone: 'good' | 'bad' | 'plain'
  readonly text: string
}

/** What happened, for somebody who looks on: null for what is everyday (tools, tokens, each single mail). */
export function wordsFor(event: EventRow, nameOf: (agent: string) => string): Words | null {
  const data: Record<string, unknown> = JSON.parse(event.data_json)
  const who = event.agent_id === null ? 'the fleet' : nameOf(event.agent_id)
  const say = (tone: Words['tone'], text: string): Words => ({ tone, text: oneLine(text, 200) })
  switch (event.type) {
    case 'agent.slung':
      return say('plain', `${who} is slung`)
    case 'agent.starting':
      return say('plain', `${who} starts`)
    case 'agent.claimed-done':
      return say('plain', `${who} says that it is done`)
    case 'agent.done':
      return say('good', `${who} is done`)
    case 'agent.failed':
    case 'agent.stopped':
      return say(event.type === 'agent.failed' ? 'bad' : 'plain', `${who} ${end(event.type)}${because(data.reason)}`)
    case 'agent.runner-gone':
      return say('bad', `${who} has lost its runner (process ${data.pid})`)
    case 'agent.recovered':
      return say(
        'plain',
        `${who} goes on where it was, ${data.context === 'digest' ? 'told from the records what it had done' : 'with its conversation'}${because(data.why)}`,
      )
    case 'agent.left':
      return say('bad', `${who} is left to somebody who can start it${because(data.text)}`)
    case 'agent.requeued':
      return say('plain', `${who} waits for a place again${because(data.why)}`)
    case 'agent.nudged':
      if (data.about === 'loop') return say('bad', `${who} goes in circles, and is told so`)
      return say(
        'bad',
        `${who} has been silent for ${Math.round(Number(data.silentMs) / 1000)} s, and is nudged${again(data.nth)}`,
      )
    case 'dialog.answered':
      return say(
        'plain',
        `${who} was asked "${data.dialog}" on its screen; ov answered ${data.answer}${because(data.why)}`,
      )
    case 'agent.raised':
      return say('bad', `${who} needs somebody${because(data.seen)}`)
    case 'agent.triaged':
      return say('plain', judged(who, data))
    case 'agent.escalated':
      return say('bad', `${data.to} is asked what is to become of ${who}${because(data.why)}`)
    case 'agent.escalation-settled':
      return say('good', `nobody needs to decide about ${who} any more${because(data.why)}`)
    case 'triage.failed':
      return say('bad', `${who} could not be judged${because(data.why)}`)
    case 'agent.survivors':
      return say('bad', `${who} left processes behind`)
    case 'runner.no-tmux':
      return say('plain', `${who} has no screen${because(data.why)}`)
    case 'runtime.rate-limited':
      return say('bad', `${who} is held back by a rate limit${because(data.message)}`)
    case 'runtime.failed':
      return say('bad', `${who}: a turn failed (${howFailed(data)})${because(data.message)}`)
    case 'limit.hit':
      return say(
        'bad',
        data.until === null
          ? `${data.provider} is ${LIMIT_WORDS.auth} (${who})`
          : `${data.provider} is ${LIMIT_WORDS[data.cause as LimitCause]} (${who}) until ${new Date(Number(data.until)).toTimeString().slice(0, 8)}${data.estimated ? ', it is guessed' : ''}`,
      )
    case 'limit.probed':
      return say('plain', `${who} sees whether ${data.provider} goes on`)
    case 'limit.lifted':
      return say('good', `${data.provider} goes on; who waited follows`)
    case 'agent.reassigned':
      return say('plain', `${who} goes on with ${data.to} instead of ${data.from}${because(data.why)}`)
    case 'agent.retried':
      return say('plain', `${who} is tried again`)
    case 'mail.bounced':
      return say('bad', `mail to ${who} came back`)
    case 'merge.merged':
      return say('good', `${who} is merged`)
    case 'merge.rejected':
      return say('bad', `${who} gets its branch back: ${data.why === 'conflict' ? 'conflict' : `gate ${data.gate}`}`)
    case 'merge.landed':
      return say('good', `your checkout of ${data.branch} is brought along`)
    case 'merge.blocked':
    case 'merge.trouble':
    case 'merge.landing-failed':
      return say('bad', `the merge train has trouble${because(data.why)}`)
    case 'mode.changed':
      return say(data.level === 'full' ? 'good' : 'plain', `${who} is at "${data.level}"${because(data.why)}`)
    case 'watch.gap':
      return say(
        'plain',
        `nobody looked, or the clock was set, by ${Math.round(Number(data.ms) / 1000)} s: all begin anew`,
      )
    case 'watch.trouble':
      return say('bad', `the watcher could not act${because(data.why)}`)
    default:
      return null
  }
}

/** A model's verdict with its reason, or what a person or an agent has decided. */
function judged(who: string, { verdict, by, why, waitMs, digest, proposed }: Record<string, unknown>): string {
  const done =
    verdict === 'wait' ? `it is left alone for ${minutes(Number(waitMs))}` : (VERDICTS[String(verdict)] ?? verdict)
  if (proposed === null && digest === null && typeof by === 'string')
    return `${by} decides about ${who}: ${done}${verdict === 'wait' || verdict === 'restart-fresh' ? '' : because(why)}`
  const advice = verdict === 'nudge' ? because(textOf(proposed)) : ''
  return `${who} is judged: ${done}${advice === '' ? because(why) : `${advice} (${why})`}`
}

function textOf(proposed: unknown): unknown {
  return typeof proposed === 'object' && proposed !== null && 'text' in proposed ? proposed.text : null
}

const VERDICTS: Readonly<Record<string, string>> = {
  nudge: 'it is given advice',
  resume: 'it is ended and goes on',
  'restart-fresh': 'it begins anew',
  reassign: 'its task goes to another runtime',
  'ask-human': 'a person is asked',
  'give-up': 'its task is given up',
}

function end(type: 'agent.failed' | 'agent.stopped'): string {
  return type === 'agent.failed' ? 'failed' : 'is stopped'
}

function again(nth: unknown): string {
  return typeof nth === 'number' && nth > 1 ? ` again (${nth})` : ''
}

function because(why: unknown): string {
  return typeof why === 'string' && why !== '' ? `: ${why}` : ''
}
