import { existsSync, mkdirSync, readdirSync, watch } from 'node:fs'
import { join } from 'node:path'

/** Files by which processes say that they are there, in a folder of their own. */
export interface Signs {
  /** Path of a sign, for `: >'path'` in a shell. */
  path(name: string): string
  /** Resolves when so many signs are there. The kernel tells; nothing is polled. */
  untilThere(count: number): Promise<void>
}

export function signsIn(folder: string): Signs {
  mkdirSync(folder)
  return {
    path: (name) => join(folder, name),
    untilThere: (count) =>
      new Promise((resolve) => {
        const watcher = watch(folder, () => look())
        const look = () => {
          // A row that took too long was given up, and its folder is gone.
          if (!existsSync(folder)) return watcher.close()
          if (readdirSync(folder).length < count) return
          watcher.close()
          resolve()
        }
        look()
      }),
  }
}
