import { globSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { makeVariant, sourceOf, type Variant } from '../variant.ts'

const ROOT = resolve(import.meta.dirname, '..', '..', '..')

/** The names of all points at which a flow may be cut off, as the sources have them. */
export function stepsInSources(): string[] {
  const files = globSync('src/**/*.ts', { cwd: ROOT }).filter((file) => file !== join('src', 'steps.ts'))
  return files
    .flatMap((file) => [...sourceOf(file).matchAll(/\bstep\('([^']+)'\)/g)].map(([, name = '']) => name))
    .sort()
}

/** Of which hit of a name a process dies: the first, the second or the last that there are. */
export interface Kill {
  readonly step: string
  /** From 1. */
  readonly hit: number
}

/**
 * `ov` with another `src/steps.ts`: it takes down every step that is reached, by whichever process, and its process
 * kills itself at the one that is wanted, once.
 */
export async function crashingOv(): Promise<Variant> {
  const file = 'src/steps.ts'
  const variant = makeVariant([{ file, snippet: sourceOf(file), instead: CRASHING }])
  try {
    await variant.build()
  } catch (error) {
    variant.dispose()
    throw error
  }
  return variant
}

/** What a process needs in its environment to die there; what it starts has it, too. */
export function environmentFor(folder: string, kill: Kill | null): Record<string, string> {
  return { CHAOS_STEPS: folder, ...(kill === null ? {} : { CHAOS_KILL: `${kill.step}@${kill.hit}` }) }
}

const CRASHING = `
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export function step(done: string): void {
  const folder = process.env.CHAOS_STEPS
  if (folder === undefined) return
  const reached = join(folder, 'reached')
  appendFileSync(reached, done + '\\n')
  const [name, hit] = (process.env.CHAOS_KILL ?? '').split('@')
  if (name !== done) return
  const hits = readFileSync(reached, 'utf8').split('\\n').filter((line) => line === done).length
  if (hits < Number(hit)) return
  try {
    closeSync(openSync(join(folder, 'killed'), 'wx'))
  } catch {
    // Another process was killed here: one is enough.
    return
  }
  process.kill(process.pid, 'SIGKILL')
}
`
