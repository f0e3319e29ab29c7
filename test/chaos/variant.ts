import { execFile, execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'

const ROOT = resolve(import.meta.dirname, '..', '..')
/** Read once, before a part sets up a home of its own. */
const OUTSIDE = tmpdir()

/** A change of one source file: an exact piece of its text, which is in it once, and what takes its place. */
export interface Change {
  readonly file: string
  readonly snippet: string
  readonly instead: string
}

/** A copy of these sources that differs in some places: `ov` as it would be without something. */
export interface Variant {
  readonly root: string
  /** The binary, once `build` has been done. */
  readonly binary: string
  build(): Promise<void>
  dispose(): void
}

/**
 * Copies the sources, as they stand here, and changes the copy.
 *
 * @throws {Error} when a snippet is not there exactly once: the source has moved on, and the change with it has to
 */
export function makeVariant(changes: readonly Change[]): Variant {
  const root = mkdtempSync(join(OUTSIDE, 'ovt-variant-'))
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
  for (const file of listed.toString('utf8').split('\0')) {
    if (file === '' || !existsSync(join(ROOT, file))) continue
    mkdirSync(dirname(join(root, file)), { recursive: true })
    copyFileSync(join(ROOT, file), join(root, file))
  }
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  const dispose = () => rmSync(root, { recursive: true, force: true, maxRetries: 5 })
  try {
    for (const { file, snippet, instead } of changes) {
      const path = join(root, file)
      const parts = readFileSync(path, 'utf8').split(snippet)
      if (parts.length !== 2)
        throw new Error(`${file} holds this ${parts.length - 1} times instead of once:\n${snippet}`)
      writeFileSync(path, parts.join(instead))
    }
  } catch (error) {
    dispose()
    throw error
  }
  return {
    root,
    binary: join(root, 'dist', 'src', 'main.js'),
    async build() {
      const rolldown = join(root, 'node_modules', '.bin', 'rolldown')
      await promisify(execFile)(rolldown, ['--config', 'rolldown.config.ts', '--log-level', 'silent'], { cwd: root })
    },
    dispose,
  }
}

/** The whole text of a source file as it stands here. */
export function sourceOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}
