import { dirname } from 'node:path'
import { runOnTerminal } from '../../src/os/process.ts'
import { configure, makeHome, makeRepo, OV } from '../rig/sandbox-home.ts'
import { allClis } from './cli.ts'
import { programOf } from './install.ts'

/*
 * `npm run certify [-- NAME…]`: `ov runtime certify --update` with the CLIs in the versions that the adapters name,
 * installed into .cache.
 */

const names = process.argv.slice(2)
const programs: Record<string, { binary: string }> = {}
for (const { runtime, npm } of await allClis()) {
  if (names.length === 0 || names.includes(runtime.id)) programs[runtime.id] = { binary: await programOf(npm) }
}
const home = makeHome()
try {
  const repo = makeRepo(home)
  configure(home, repo, `runtime: ${JSON.stringify(programs)}\n`)
  process.chdir(repo)
  const words = ['runtime', 'certify', ...Object.keys(programs), '--update']
  // What a program is run by may lie beside it.
  const folders = Object.values(programs).map(({ binary }) => dirname(binary))
  const env = { ...process.env, PATH: [...folders, process.env.PATH].join(':') }
  process.exitCode = await runOnTerminal([process.execPath, OV, ...words], env)
} finally {
  await home.dispose()
}
