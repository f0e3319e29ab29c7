import { runtimeSection } from '../config/runtime-section.ts'
import type { Config } from '../config/schema.ts'
import { messageOf } from '../errors.ts'
import type { Certificate, Finding } from './certificate.ts'
import { certificateOf } from './certify.ts'
import { type Ground, makeGround, setUp } from './ground.ts'
import { endingIn, sayEnding } from './job.ts'
import type { Machine } from './machine.ts'
import { type Candidate, ownOf } from './stage.ts'
import { must } from './unproved.ts'

/** What is seen with the human's own login and the CLI's real service: as little as can be, and nothing that does harm. */
const LIVE: readonly {
  readonly id: string
  readonly run: (ground: Ground, candidate: Candidate) => Promise<string>
}[] = [
  { id: 'question', run: question },
  { id: 'work', run: work },
]

export interface LiveOptions {
  /** Told of each finding. */
  readonly each: (finding: Finding) => void
  readonly signal: AbortSignal
}

/** Puts an agent CLI to its live proofs, one after the other, by a person's login and settings. */
export async function certifyLive(
  candidate: Candidate,
  config: Config,
  { each, signal }: LiveOptions,
): Promise<Certificate> {
  const { id } = candidate.runtime
  const ground = makeGround(candidate.ov, theirs)
  const dispose = () => ground.machine.dispose()
  signal.addEventListener('abort', dispose)
  const findings: Finding[] = []
  try {
    const section = { ...runtimeSection(config, id), binary: candidate.program, mode: 'structured' }
    await setUp(ground, { runtime: { default: id, [id]: section } }, ownOf(candidate))
    for (const { id: proof, run } of LIVE) {
      const finding = await seen(proof, () => run(ground, candidate))
      signal.throwIfAborted()
      findings.push(finding)
      each(finding)
    }
  } finally {
    signal.removeEventListener('abort', dispose)
    await dispose()
  }
  return certificateOf(candidate, 'real service', findings)
}

/** All that the person has, but for where `ov` and its agents keep what is only of the moment. */
function theirs({ env: { XDG_RUNTIME_DIR, TMPDIR } }: Machine): Record<string, string> {
  const all = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return { ...Object.fromEntries(all), XDG_RUNTIME_DIR, TMPDIR }
}

async function seen(proof: string, run: () => Promise<string>): Promise<Finding> {
  const began = performance.now()
  const took = () => Math.round(performance.now() - began)
  try {
    return { proof, result: 'proved', why: null, cause: null, did: await run(), tookMs: took() }
  } catch (error) {
    return { proof, result: 'failed', why: messageOf(error), cause: null, did: null, tookMs: took() }
  }
}

async function question({ json }: Ground, { runtime }: Candidate): Promise<string> {
  await json('runtime', 'ask', runtime.id, 'Answer with the one word: yes')
  return 'answered'
}

const TASK = `Write the one word hello into a new file hello.txt, commit it, and then run: ov done --summary "Wrote it"`

async function work({ ov, git }: Ground, { runtime }: Candidate): Promise<string> {
  const words = ['sling', '--runtime', runtime.id, '--no-interactive', '--task', TASK, '--wait', '--json']
  const ending = endingIn(await ov(words))
  must(ending.state === 'merged', sayEnding(ending))
  must((await git('show', 'main:hello.txt')) === 'hello', 'The file on main is another.')
  return 'merged and landed'
}
