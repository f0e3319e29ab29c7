import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join(import.meta.dirname, 'fixtures')

/**
 * What a real CLI printed, one event a line. The file's name says it all:
 * `<runtime>-<version>.works-<what>.ndjson`, or `….fails-<cause>-<what>.ndjson` for a session that ends in that failure.
 * What a CLI prints that knows no events is text, and ends in `.txt`.
 */
export interface Recording {
  readonly file: string
  readonly runtime: string
  readonly version: string
  /** The cause it fails with, null when it works. */
  readonly fails: string | null
  readonly isText: boolean
  readonly lines: readonly string[]
}

const NAME =
  /^(?<runtime>[a-z]+)-(?<version>[\d.]+)\.(?:works|fails-(?<cause>[a-z_]+))-[a-z0-9_-]+\.(?<kind>ndjson|txt)$/

export function recordings(): Recording[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.ndjson') || /\.(?:works|fails)-.*\.txt$/.test(file))
    .map((file) => {
      const { runtime, version, cause, kind } = NAME.exec(file)?.groups ?? {}
      if (runtime === undefined || version === undefined) throw new Error(`${file} is not named as recordings are`)
      const lines = readFileSync(join(FOLDER, file), 'utf8').split('\n').filter(Boolean)
      return { file, runtime, version, fails: cause ?? null, isText: kind === 'txt', lines }
    })
}

/** A pane as tmux captured it: `<runtime>-<version>.screen-<what it is>-<what it shows>.txt`, the title in its first line. */
export interface Pane {
  readonly file: string
  readonly runtime: string
  readonly is: string
  readonly title: string
  readonly text: string
}

export function panes(): Pane[] {
  return readdirSync(FOLDER).flatMap((file) => {
    const { runtime, is } = /^(?<runtime>[a-z]+)-[\d.]+\.screen-(?<is>[a-z]+)-[a-z-]+\.txt$/.exec(file)?.groups ?? {}
    if (runtime === undefined || is === undefined) return []
    const [title = '', ...lines] = readFileSync(join(FOLDER, file), 'utf8').split('\n')
    return [{ file, runtime, is, title, text: lines.join('\n') }]
  })
}

/** Counts that a recording's session used in all, by its file. */
export const USED: Readonly<Record<string, Readonly<Record<string, number>>>> = JSON.parse(
  readFileSync(join(FOLDER, 'used.json'), 'utf8'),
)
