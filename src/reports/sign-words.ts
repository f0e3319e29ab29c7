import { eventLine } from '../events/line.ts'
import { oneLine } from '../mail/frame.ts'
import { howFailed } from './failures.ts'

/** Longest part of what a tool or a runtime said, in characters. */
const SAID = 160

/** A sign of an agent's own life in a sentence; what has none here stays as it is recorded. */
export function saySign(event: { readonly type: string; readonly data_json: string }): string {
  const data: Record<string, unknown> = JSON.parse(event.data_json)
  const tool = typeof data.tool === 'string' ? oneLine(data.tool, 60) : 'a tool'
  switch (event.type) {
    case 'tool.start':
      return `It began to use ${tool}${said(data.summary)}.`
    case 'tool.end':
      return `Its use of ${tool} ${data.ok === false ? 'failed' : 'ended'}${said(data.summary)}.`
    case 'runtime.started':
      return `Its CLI was ready${typeof data.model === 'string' ? said(data.model) : ''}.`
    case 'runtime.failed':
      return `Its turn failed${said(howFailed(data))}.`
    case 'runtime.rate-limited':
      return `Its provider let it do no more${said(data.message)}.`
    case 'runtime.retrying':
      return `Its CLI tried again what had failed${said(data.cause)}.`
    case 'runtime.waiting':
      return `It waited for a person${said(data.message)}.`
    case 'agent.committed':
      return 'It committed.'
    default:
      return `${eventLine(event)}.`
  }
}

function said(text: unknown): string {
  const line = typeof text === 'string' ? oneLine(text, SAID).trim() : ''
  return line === '' ? '' : ` (${line})`
}
