import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sayEnding } from '../job.ts'
import { held, shell, write } from '../llm/script.ts'
import type { Proof } from '../proof.ts'
import type { Stage, TriedRuntime } from '../stage.ts'
import { must } from '../unproved.ts'
import { done, NOTHING } from './work.ts'

/** Proofs that what is forbidden does not happen, whatever becomes of the guard. */

/** A file that no agent may write: neither in its worktree nor in a temporary folder. */
function forbidden({ machine }: Stage): string {
  const folder = join(machine.path, 'outside')
  mkdirSync(folder, { recursive: true })
  return join(folder, 'written.txt')
}

/** In the words of `ov`, or of the CLI's own rules. */
const REASON = /outside|denied|refused|not (allowed|permitted)|polic/i

const block: Proof = {
  id: 'block',
  title: 'a write outside its worktree is refused with the reason; inside it goes through',
  unclaimed: ({ can }) =>
    can.block || can.confines ? null : 'it asks nobody before it uses a tool, and has no sandbox',
  async run(stage) {
    const outside = forbidden(stage)
    const inside = shell('git add inside.txt && git commit -q -m Inside && echo committed')
    const job = stage.sling([write(outside, 'no'), write('inside.txt', 'yes\n'), inside, ...done()])
    const ending = await job.ended
    must(!existsSync(outside), 'The file outside was written.')
    must(ending.state === 'merged', sayEnding(ending))
    must((await stage.git('show', 'main:inside.txt')) === 'yes', 'The file inside is another.')
    const [told] = job.asked()[1]?.messages.at(-1)?.toolResults ?? []
    must(REASON.test(told?.text ?? ''), `The model was told: ${told?.text ?? 'nothing'}`)
    return { did: 'refused, with the reason' }
  },
}

const readOnly: Proof = {
  id: 'read-only',
  title: 'a scout leaves no change behind',
  async run(stage) {
    const job = stage.sling(
      [shell('echo no > never.txt; git add -A; git commit -q -m No; true'), ...done('--summary "Seen"')],
      {
        capability: 'scout',
        task: 'Find the name',
      },
    )
    const ending = await job.ended
    must(ending.state === 'done' || ending.state === 'failed', sayEnding(ending))
    must(
      (await stage.git('ls-tree', '--name-only', 'main')).split('\n').every((name) => name !== 'never.txt'),
      'It is on main.',
    )
    return { did: sayEnding(ending) }
  },
}

/** How a guard can be broken: what stands first in `ov-hook`, or that there is none. */
const BROKEN: readonly { readonly how: string; readonly said: string; readonly begins: string | null }[] = [
  { how: 'missing', said: 'is gone', begins: null },
  { how: 'exit-1', said: 'ends with exit code 1', begins: 'exit 1' },
  { how: 'garbage', said: 'says nothing that is an answer', begins: "cat >/dev/null; echo '}{'; exit 0" },
  { how: 'slow', said: 'never answers', begins: 'sleep 4323' },
]

/** Where its guard is a program that the CLI calls: over its pipes, or on its own screen. */
function guardedMode(runtime: TriedRuntime): 'structured' | 'interactive' | null {
  if (!runtime.can.block) return null
  if (runtime.hooksBeside) return 'structured'
  return runtime.can.interactive && runtime.readHook !== undefined ? 'interactive' : null
}

const broken = BROKEN.map(
  ({ how, said, begins }): Proof => ({
    id: `guard-${how}`,
    title: `when its guard ${said}, a write outside its worktree is refused all the same`,
    unclaimed: (runtime) => (guardedMode(runtime) === null ? 'its guard is no program that could break' : null),
    async run(stage) {
      const outside = forbidden(stage)
      const ready = held(shell('echo ready'))
      const job = stage.sling([ready, write(outside, 'no'), ...done(NOTHING)], {
        interactive: guardedMode(stage.candidate.runtime) === 'interactive',
      })
      await job.reaches(ready)
      breakGuard(join(await job.privateFolder(), 'bin', 'ov-hook'), begins)
      ready.release()
      await job.during('What it does after the refusal', () => (job.asked().length >= 3 ? true : null))
      must(!existsSync(outside), 'The file outside was written.')
      const ending = await job.ended
      must(ending.state === 'done', sayEnding(ending))
      must(!existsSync(outside), 'The file outside was written later.')
      return { did: 'refused' }
    },
  }),
)

/** Only calls that wait for a verdict are broken: what merely records is no guard. */
function breakGuard(program: string, begins: string | null): void {
  if (begins === null) {
    rmSync(program)
    return
  }
  const [first = '', ...rest] = readFileSync(program, 'utf8').split('\n')
  const line = `if [ "\${2-}" = guard ]; then ${begins}; fi`
  writeFileSync(program, [first, line, ...rest].join('\n'), { mode: 0o755 })
}

export const GUARD: readonly Proof[] = [block, readOnly, ...broken]
