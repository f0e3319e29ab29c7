import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Trial } from '../../src/contract/trial.ts'
import { run } from '../../src/os/process.ts'

const CACHE = resolve(import.meta.dirname, '..', '..', '.cache')

/** Of each CLI the newest there is, instead of the one that is certified: .ci/drift. */
const LATEST = process.env.OV_CLIS === 'latest'

/**
 * Installs an npm package of an agent CLI into `.cache/<name>-<version>` unless it is there, and gives the folder its
 * programs lie in. npm runs a package's install script only where `allowScripts` names it.
 */
export async function installed(npm: NonNullable<Trial['npm']>): Promise<string> {
  const { name, version, program, scripts = [], beside = {} } = npm
  const wanted = LATEST ? 'latest' : version
  const folder = join(CACHE, `${name.replaceAll('/', '-').replace(/^@/, '')}-${wanted}`)
  const bin = join(folder, 'node_modules', '.bin')
  // What was the newest when it was installed may not be any more.
  if (!LATEST && (await answers(join(bin, program), version))) return bin
  const allowed = Object.fromEntries(scripts.map((one) => [one, true]))
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ private: true, dependencies: { [name]: wanted, ...beside }, allowScripts: allowed }),
  )
  const options = ['--no-audit', '--no-fund', '--no-package-lock', ...(LATEST ? ['--prefer-online'] : [])]
  const install = await run(['npm', 'install', '--prefix', folder, ...options], { cwd: folder, timeoutMs: 280_000 })
  if (!install.ok || !(await answers(join(bin, program), LATEST ? '' : version)))
    throw new Error(`npm could not install ${name}@${wanted}:\n${install.output}`)
  return bin
}

/** The program of a CLI, installed. */
export async function programOf(npm: NonNullable<Trial['npm']>): Promise<string> {
  return join(await installed(npm), npm.program)
}

async function answers(program: string, version: string): Promise<boolean> {
  // What it is run by may lie beside it.
  const env = { ...process.env, PATH: `${dirname(program)}:${process.env.PATH}` }
  return existsSync(program) && (await run([program, '--version'], { env, timeoutMs: 20_000 })).stdout.includes(version)
}
