import { sayRemains, sayStopped } from '../agents/say.ts'
import type { Stopped } from '../agents/stop.ts'
import { EXIT_CODES } from '../errors.ts'
import { say, tell, theirWay, travel } from './hot-call.ts'
import { plainWords } from './hot-words.ts'
import { interruptionBySignal } from './interruption.ts'

/** `ov stop` of named agents, as in commands/stop.ts. False, with nothing done, where that one has to do it. */
export async function stop(argv: readonly string[]): Promise<boolean> {
  const agents: string[] = []
  const words = plainWords(
    argv,
    { all: { type: 'boolean' }, tree: { type: 'boolean' }, reason: { type: 'string' } },
    agents,
  )
  // Without names oclif looks for them on standard input.
  if (words === null || agents.length === 0) return false
  const theirs = theirWay()
  if (theirs === null) return false
  interruptionBySignal()
  const { all = false, tree = false, reason } = words
  const request = { agents, all, tree, ...(reason === undefined ? {} : { reason }) }
  const open = async () => (await import('./hot-stop-work.ts')).openToStop()
  await travel(theirs, words, open, async (way) => {
    const result =
      way.is === 'broker'
        ? ((await way.call('stop', request)) as { stopped: Stopped[] })
        : await way.project.stop(request)
    tell(words, result, result.stopped.map((one) => `${sayStopped(one)}\n`).join(''))
    for (const line of sayRemains(result.stopped)) say(words, line)
    if (result.stopped.some(({ survivors }) => survivors.length > 0)) process.exitCode = EXIT_CODES.failed
  })
  return true
}
