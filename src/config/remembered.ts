import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Roles } from '../capabilities/manifest.ts'
import { codeOf } from '../errors.ts'
import { readText, writeWhole } from '../os/files.ts'
import { EXTENSION, OV_MAIN } from '../place.ts'
import { allRuntimeIds } from '../runtimes/registry.ts'
import { configFiles } from './files.ts'
import type { Config } from './schema.ts'

/*
 * What the configuration of a project came to when it was last read and found right, with the very texts it was read
 * from. As long as those stand there to the letter, reading them again would come to the same; so neither the parser
 * nor the schema has to be loaded, which takes longer than most commands do. It can be made again at any time: whoever
 * cannot read or write it goes without.
 */

/** What holds in a project: its settings and the roles of its agents. */
export interface Settings {
  readonly config: Config
  readonly roles: Roles
}

/** All that the settings of a project follow from. */
export interface Texts {
  /** This very build of `ov`: another one may understand the same text in another way. */
  readonly build: string
  readonly runtimes: readonly string[]
  readonly home: string
  /** Files by path; null where there is none. */
  readonly files: Readonly<Record<string, string | null>>
}

/** Three lines: the path of the manifest, the texts, the settings. The first two are all that has to be compared. */
const fileIn = (stateDir: string) => join(stateDir, 'settings')

/** The line with the settings of the project at `root`, where they are remembered and still hold; else null. */
function settingsLine(root: string, stateDir: string): string | null {
  if (!isPossible()) return null
  const [manifest = '', texts = '', settings = ''] = (readText(fileIn(stateDir)) ?? '').split('\n')
  return texts !== '' && texts === JSON.stringify(textsOf(root, manifest)) ? settings : null
}

/** Whether the settings of the project at `root` are remembered and still hold. */
export function areSettingsKnown(root: string, stateDir: string): boolean {
  return settingsLine(root, stateDir) !== null
}

/** The settings of the project at `root`, where they are remembered and still hold; else null. */
export function recallSettings(root: string, stateDir: string): Settings | null {
  const line = settingsLine(root, stateDir)
  return line === null ? null : JSON.parse(line)
}

/**
 * Remembers settings that were found right, unless a text has changed while they were read.
 *
 * @param before the texts before the configuration was read
 * @param between the texts, with the manifest, after that and before the manifest was read
 */
export function rememberSettings(
  { root, stateDir }: { readonly root: string; readonly stateDir: string },
  settings: Settings,
  [before, between]: readonly [Texts | null, Texts | null],
): void {
  const { root: wanted } = settings.config.project
  if (!isPossible() || (wanted !== undefined && resolve(root, wanted) !== root)) return
  const { manifest } = settings.config.agents
  const texts = textsOf(root, manifest)
  if (texts === null || before === null || !isDeepStrictEqual(texts, between)) return
  if (!isDeepStrictEqual(texts, { ...before, files: { ...texts.files, ...before.files } })) return
  const { config, roles } = settings
  const lines = [manifest, JSON.stringify(texts), JSON.stringify({ config, roles })]
  // A path with a line break in it is read anew each time.
  if (manifest.includes('\n')) return
  try {
    writeWhole(fileIn(stateDir), lines.join('\n'), 0o600)
  } catch (error) {
    // A disk that is full or read-only; whoever has to write there says so.
    if (codeOf(error) === undefined) throw error
  }
}

/** The texts as they are now; null where one of them cannot be read, which is for the configuration's reader to tell. */
export function textsOf(root: string, manifest: string | null): Texts | null {
  const paths = configFiles(root).map(({ path }) => path)
  if (manifest !== null) paths.push(resolve(root, manifest))
  try {
    const { mtimeMs, size } = statSync(OV_MAIN)
    return {
      build: `${mtimeMs} ${size}`,
      runtimes: allRuntimeIds(),
      home: homedir(),
      files: Object.fromEntries(paths.map((path) => [path, textOf(path)])),
    }
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return null
  }
}

function textOf(path: string): string | null {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? null : readFileSync(path, 'utf8')
}

/** Settings may come from variables too, and their values are not ours to write down. Sources change under our hands. */
function isPossible(): boolean {
  return EXTENSION === '.js' && !Object.keys(process.env).some((name) => name.startsWith('OV_'))
}
