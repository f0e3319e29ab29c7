import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'

/** What kind of project lies in a folder, and the commands that check it. */
export interface Detected {
  readonly type: 'node' | 'python' | 'rust' | 'go' | 'ruby' | 'java' | 'make' | 'none'
  /** Gate name → command line; only what the project really has. */
  readonly gates: Readonly<Record<string, string>>
  /** Commands a fresh worktree needs before anything runs in it. */
  readonly setup: readonly string[]
}

const packageJson = z.object({ scripts: z.record(z.string(), z.string()).optional() })

export function detectProject(root: string): Detected {
  const path = join(root, 'package.json')
  if (existsSync(path)) {
    const parsed = packageJson.safeParse(JSON.parse(readFileSync(path, 'utf8')))
    const scripts = parsed.success ? (parsed.data.scripts ?? {}) : {}
    return { type: 'node', gates: scripts.test === undefined ? {} : { 'tests-pass': 'npm test' }, setup: [] }
  }
  return { type: 'none', gates: {}, setup: [] }
}
