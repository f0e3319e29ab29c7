import { chmodSync, cpSync, globSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin } from 'rolldown'
import about from './package.json' with { type: 'json' }
import { manPage } from './src/cli/man.ts'

/*
 * dist/ in two parts, for two ways to start (docs/performance.md):
 *
 *   dist/src/       CommonJS, which Node starts faster: the binary and its fast door
 *   dist/commands/  ES modules, one file a command: oclif finds them by their place
 *   dist/runtimes/  ES modules, one file a runtime
 *   dist/engine/    what those share, each part loaded when it is needed
 */

const ROOT = import.meta.dirname
const DIST = join(ROOT, 'dist')
/** Where each part finds the door to oclif, from dist/src. */
const OCLIF_DOOR = '../engine/door.js'

/** Native, or looked for by a package and never there. */
const EXTERNAL = ['better-sqlite3', 'typescript', 'react-devtools-core']

/** Each file keeps its place: `commands/mail/send.ts` becomes `dist/commands/mail/send.js`. */
function inPlace(patterns: string[]): Record<string, string> {
  return Object.fromEntries(globSync(patterns, { cwd: ROOT }).map((file) => [file.replace(/\.tsx?$/, ''), file]))
}

/** The CommonJS part imports the other at run time, by its place. */
const oclifDoorIsOutside: Plugin = {
  name: 'oclif-door-is-outside',
  resolveId: (id) => (id === './cli/door.ts' ? { id: OCLIF_DOOR, external: true } : null),
}

const filesBeside: Plugin = {
  name: 'files-beside',
  writeBundle() {
    chmodSync(join(DIST, 'src', 'main.js'), 0o755)
    writeFileSync(join(DIST, 'src', 'package.json'), '{ "type": "commonjs" }\n')
    cpSync(join(ROOT, 'src', 'capabilities'), join(DIST, 'src', 'capabilities'), { recursive: true })
    cpSync(join(ROOT, 'src', 'hooks', 'ov-hook'), join(DIST, 'src', 'hooks', 'ov-hook'), { recursive: true })
  },
}

/** Writes what oclif needs to know of every command, so that it loads only the one that runs, and the manual page. */
const manifest: Plugin = {
  name: 'manifest',
  async writeBundle() {
    const file = join(ROOT, 'oclif.manifest.json')
    rmSync(file, { force: true })
    const { Config, Plugin } = await import('@oclif/core')
    const commands = new Plugin({ root: ROOT, ignoreManifest: true, errorOnManifestCreate: true })
    await commands.load()
    writeFileSync(file, `${JSON.stringify(commands.manifest)}\n`)
    writeFileSync(join(DIST, 'ov.1'), manPage(await Config.load(ROOT), about.description))
  },
}

rmSync(DIST, { recursive: true, force: true })

export default defineConfig([
  {
    input: { ...inPlace(['commands/**/*.ts', 'runtimes/*.ts']), 'engine/door': 'src/cli/door.ts' },
    platform: 'node',
    external: EXTERNAL,
    plugins: [manifest],
    output: { dir: DIST, format: 'esm', entryFileNames: '[name].js', chunkFileNames: 'engine/[name].js' },
  },
  {
    input: { 'src/main': 'src/main.ts' },
    platform: 'node',
    external: EXTERNAL,
    plugins: [oclifDoorIsOutside, filesBeside],
    output: { dir: DIST, format: 'cjs', entryFileNames: '[name].js', chunkFileNames: 'src/[name].js', strict: true },
  },
])
