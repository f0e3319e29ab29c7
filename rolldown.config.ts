import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin, type RolldownOptions } from 'rolldown'
import about from './package.json' with { type: 'json' }
import { manPage } from './src/cli/man.ts'

/*
 * dist/ is CommonJS, which Node starts faster (docs/performance.md), in parts that load nothing of one another
 * unless they are asked to:
 *
 *   dist/src/       the binary, its fast door, and the runner
 *   dist/src/watcher.js  the process of `ov watch`: one small file for what is resident all day
 *   dist/commands/  one file a command: oclif finds them by their place
 *   dist/runtimes/  one file a runtime
 *   dist/engine/    what those share, each part loaded when it is needed
 *   dist/screen/    the live screen: its libraries exist as ES modules only
 */

const ROOT = import.meta.dirname
const DIST = join(ROOT, 'dist')
/** What one part asks of another, and where it finds it. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  './door.ts': '../engine/door.js',
  './hot-mail.ts': './hot-mail.js',
  './hot-status.ts': './hot-status.js',
  './hot-sling.ts': './hot-sling.js',
  './hot-stop.ts': './hot-stop.js',
  './hot-merge.ts': './hot-merge.js',
  './screen.tsx': '../screen/screen.js',
  './cli/watcher.ts': './watcher.js',
  '../runner/runner-main.ts': './runner-main.js',
}

/** Looked for by a package and never there. */
const EXTERNAL = ['typescript', 'react-devtools-core']

/** A module that one command needs at once and another perhaps may well be imported in both ways. */
const CHECKS = { ineffectiveDynamicImport: false }

/** Each file keeps its place: `commands/mail/send.ts` becomes `dist/commands/mail/send.js`. */
function inPlace(patterns: string[]): Record<string, string> {
  return Object.fromEntries(globSync(patterns, { cwd: ROOT }).map((file) => [file.replace(/\.tsx?$/, ''), file]))
}

const elsewhere: Plugin = {
  name: 'elsewhere',
  resolveId(id) {
    const place = ELSEWHERE[id]
    return place === undefined ? null : { id: place, external: true }
  },
  // The loader of ES modules alone would be half a megabyte for as long as the watcher runs.
  renderChunk: (code) =>
    code.replace('import("./watcher.js")', 'Promise.resolve().then(() => require("./watcher.js"))'),
}

const filesBeside: Plugin = {
  name: 'files-beside',
  writeBundle() {
    chmodSync(join(DIST, 'src', 'main.js'), 0o755)
    cpSync(join(ROOT, 'src', 'capabilities'), join(DIST, 'src', 'capabilities'), { recursive: true })
    cpSync(join(ROOT, 'src', 'hooks', 'ov-hook'), join(DIST, 'src', 'hooks', 'ov-hook'), { recursive: true })
  },
}

/**
 * better-sqlite3 is bundled, but for its native part, which stays where npm has put it: beside this package or in its
 * own `node_modules`.
 */
const sqliteInside: Plugin = {
  name: 'sqlite-inside',
  transform(code, id) {
    if (!id.endsWith('/better-sqlite3/lib/binding.js')) return null
    const folder = `['../node_modules', '../..', '../../node_modules']
      .map((way) => path.join(__dirname, '..', way, 'better-sqlite3', 'lib'))
      .find((folder) => fs.existsSync(folder)) ?? path.dirname(require.resolve('better-sqlite3'))`
    return `const packageFolder = () => ${folder}\n${code.replaceAll('__dirname', 'packageFolder()')}`
  },
}

/**
 * What oclif does at every start and nobody here needs: to ask whether Node is new enough (main.ts has), to load what
 * finds commands without a manifest, what speaks to Windows, and what logs where nobody listens.
 */
const SPARED: Readonly<Record<string, readonly [text: string, instead: string]>> = {
  '/@oclif/core/lib/index.js': ['\ncheckNodeVersion();\n', '\n'],
  '/@oclif/core/lib/util/os.js': [
    "(await import('wsl-utils')).isWsl",
    "((0, node_os_1.platform)() === 'linux' && /microsoft/i.test((0, node_os_1.release)()))",
  ],
  '/@oclif/core/lib/logger.js': [
    '__importDefault(require("debug"))',
    '{ default: process.env.DEBUG ? require("debug") : () => () => undefined }',
  ],
  '/@oclif/core/lib/config/plugin.js': [
    'const tinyglobby_1 = require("tinyglobby")',
    'const tinyglobby_1 = { get glob() { return require("tinyglobby").glob } }',
  ],
}

const sparing: Plugin = {
  name: 'sparing',
  transform(code, id) {
    const [, change] = Object.entries(SPARED).find(([file]) => id.endsWith(file)) ?? []
    if (change === undefined) return null
    if (!code.includes(change[0])) throw new Error(`${id} is not what it was: see SPARED in rolldown.config.ts`)
    return code.replace(...change)
  },
}

/** What nothing is used of need not be loaded. */
const noIdleBuiltins: Plugin = {
  name: 'no-idle-builtins',
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle))
      if (chunk.type === 'chunk') chunk.code = chunk.code.replace(/^require\("node:[\w/]+"\);\n/gm, '')
  },
}

/** Takes down what oclif says to `ov --help` where there is no terminal, so that the fast door can say the same. */
const rootHelp: Plugin = {
  name: 'root-help',
  writeBundle() {
    const ask = (flag: string) =>
      execFileSync(process.execPath, [join(DIST, 'src', 'main.js'), flag], { encoding: 'utf8', env: { NO_COLOR: '1' } })
    writeFileSync(join(DIST, 'src', 'help.txt'), ask('--help').replace(ask('--version').trim(), '{user-agent}'))
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

/** Folders of the packages of which something is in the bundle, by their names. */
const bundled = new Map<string, string>()

/** Who wrote what is in the bundle, and on what terms it may be passed on. */
const notices: Plugin = {
  name: 'notices',
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle))
      for (const id of chunk.type === 'chunk' ? Object.keys(chunk.modules) : []) {
        const [, folder, name] = /^\0?(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(id) ?? []
        if (folder !== undefined && name !== undefined) bundled.set(name, folder)
      }
  },
  writeBundle() {
    const parts = [...bundled]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, folder]) => {
        const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
        const [file] = globSync('{LICENSE,LICENCE,license,licence}*', { cwd: folder })
        const terms = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
        return `${name} ${version} (${license})\n${terms}`
      })
    writeFileSync(join(DIST, 'THIRD-PARTY.txt'), parts.join(`\n${'-'.repeat(80)}\n\n`))
  },
}

rmSync(DIST, { recursive: true, force: true })
for (const [folder, type] of [
  [DIST, 'commonjs'],
  [join(DIST, 'screen'), 'module'],
] as const) {
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), `{ "type": "${type}" }\n`)
}

const common: RolldownOptions = {
  platform: 'node',
  external: EXTERNAL,
  checks: CHECKS,
  // What is used of Node's modules is loaded, not what else the same files could use.
  treeshake: { moduleSideEffects: [{ test: /^node:/, sideEffects: false }] },
}
// One character beyond ASCII, and Node keeps two bytes for each of a file.
const output = { dir: DIST, entryFileNames: '[name].js', comments: false, charset: 'ascii' } as const
/** Node's `import()` takes milliseconds the first time, `require` does not. */
const fast = { ...output, format: 'cjs', strict: true, dynamicImportInCjs: false } as const

export default defineConfig([
  {
    ...common,
    input: { 'screen/screen': 'src/cli/monitor/screen.tsx' },
    plugins: [notices],
    output: { ...output, format: 'esm', chunkFileNames: 'screen/[name].js' },
  },
  {
    ...common,
    input: { ...inPlace(['commands/**/*.ts', 'runtimes/*.ts']), 'engine/door': 'src/cli/door.ts' },
    plugins: [notices, sqliteInside, sparing, elsewhere, noIdleBuiltins, manifest],
    output: { ...output, format: 'cjs', chunkFileNames: 'engine/[name].js', strict: true },
  },
  // Each on its own, so that neither loads what only the other needs. (One level below dist, all of it: src/place.ts.)
  ...['hot-mail', 'hot-status', 'hot-sling', 'hot-stop', 'hot-merge'].map((name) => ({
    ...common,
    input: { [`src/${name}`]: `src/cli/${name}.ts` },
    preserveEntrySignatures: 'allow-extension' as const,
    plugins: [notices, sqliteInside, noIdleBuiltins],
    // What is shorter is read faster; names stay, for the stack of a bug.
    output: { ...fast, chunkFileNames: `src/${name}.[name].js`, minify: { compress: true, mangle: false } },
  })),
  {
    ...common,
    input: { 'src/main': 'src/main.ts' },
    plugins: [notices, elsewhere, noIdleBuiltins, filesBeside, rootHelp],
    output: { ...fast, chunkFileNames: 'src/[name].js' },
  },
  {
    ...common,
    input: { 'src/runner-main': 'src/runner/runner-main.ts' },
    plugins: [notices, sqliteInside, noIdleBuiltins],
    // It imports runtimes by their place, which may be ES modules.
    output: {
      ...fast,
      dynamicImportInCjs: true,
      chunkFileNames: 'src/runner.[name].js',
      minify: { compress: true, mangle: false },
    },
  },
  {
    ...common,
    input: { 'src/watcher': 'src/cli/watcher.ts' },
    plugins: [notices, sqliteInside, noIdleBuiltins],
    // Names and blanks would be a tenth of its memory.
    output: { ...output, format: 'cjs', strict: true, minify: true },
  },
])
