import { documentOf, saySlung } from '../agents/say.ts'
import type { SlingRequest, Slung } from '../agents/sling.ts'
import { CAPABILITIES } from '../contract/states.ts'
import { say, tell, theirWay, travel } from './hot-call.ts'
import { plainWords } from './hot-words.ts'
import { interruptionBySignal } from './interruption.ts'

/** `ov sling` without --wait, as in commands/sling.ts. False, with nothing done, where that one has to do it. */
export async function sling(argv: readonly string[]): Promise<boolean> {
  const words = plainWords(argv, {
    capability: { type: 'string', short: 'c' },
    task: { type: 'string', short: 't' },
    name: { type: 'string' },
    runtime: { type: 'string', short: 'r' },
    model: { type: 'string', short: 'm' },
    base: { type: 'string' },
    command: { type: 'string' },
    files: { type: 'string', multiple: true },
    interactive: { type: 'boolean', short: 'i' },
    'no-interactive': { type: 'boolean' },
    again: { type: 'boolean' },
    queue: { type: 'boolean' },
    'no-queue': { type: 'boolean' },
  })
  if (words === null) return false
  const { 'no-interactive': structured, 'no-queue': noQueue, interactive, queue, capability: role, ...rest } = words
  const { json: _json, quiet: _quiet, 'no-input': _input, task = '', ...wishes } = rest
  const capability = CAPABILITIES.find((one) => one === (role ?? 'builder'))
  if (capability === undefined || (interactive && structured) || (queue && noQueue)) return false
  // It is to be read from standard input, or missing.
  if (task === '-' || (task.trim() === '' && (words.task !== undefined || words.command === undefined))) return false
  const theirs = theirWay()
  if (theirs === null) return false
  interruptionBySignal()
  const mode = interactive || structured ? { interactive: interactive === true } : {}
  const request = { ...wishes, ...mode, capability, task, queue: noQueue !== true } as SlingRequest
  const open = async () => (await import('./hot-sling-work.ts')).openToSling()
  await travel(theirs, words, open, async (way) => {
    const slung = way.is === 'broker' ? ((await way.call('sling', request)) as Slung) : await way.project.sling(request)
    say(words, saySlung(slung, { insideAgent: way.is === 'broker' }))
    tell(words, documentOf(slung), '')
  })
  return true
}
