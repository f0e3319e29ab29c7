import { homedir } from 'node:os'
import { join } from 'node:path'
import { readText, writeWhole } from './files.ts'

/**
 * What costs a process to find out and holds as long as `key` stays the same, kept in the user's cache for all
 * processes. Where it can't be kept it is found out each time.
 *
 * @param key one line, all that the answer depends on
 * @param ask gives the answer, one line; null is not kept
 */
export async function remembered(name: string, key: string, ask: () => Promise<string | null>): Promise<string | null> {
  const file = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'ov', name)
  const [known, answer] = readText(file)?.split('\n') ?? []
  if (known === key && answer !== undefined) return answer
  const found = await ask()
  try {
    if (found !== null) writeWhole(file, `${key}\n${found}\n`)
  } catch {
    // Nowhere to keep it (no home, a read-only or full disk): the next process asks again.
  }
  return found
}
