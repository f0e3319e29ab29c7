import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PROOFS } from '../../src/certify/proofs.ts'
import { prove } from '../../src/certify/prove.ts'
import type { TriedRuntime } from '../../src/certify/stage.ts'
import { adapterIn } from '../../src/runtimes/own-schema.ts'
import { type Home, makeHome, OV, readyRepo } from '../rig/sandbox-home.ts'

/*
 * A runtime of one's own is certified like any other: the one of docs/adding-a-runtime.md, with a trial, and a CLI of that
 * name made for this test.
 */

const PAGE = resolve(import.meta.dirname, '..', '..', 'docs', 'adding-a-runtime.md')
const ADAPTER = (/```js\n([\s\S]*?)```/.exec(readFileSync(PAGE, 'utf8'))?.[1] ?? '').replace(
  'export default (',
  'const acme = (',
)
const OWN = `${ADAPTER}
export default (tools) => ({
  ...acme(tools),
  trial: {
    npm: null,
    wire: 'anthropic',
    setting: ({ url, key }) => ({ env: { ACME_REGION: url, ACME_API_KEY: key }, files: [] }),
    key: (random) => 'acme-' + random,
    surprises: () => [],
    shell: (command) => ({ tool: 'Bash', input: { command } }),
    write: () => null,
    limit: () => null,
    executables: ['/node'],
    isItself: (argv) => argv.some((word) => word.endsWith('acme-cli.ts')),
    refused: '401',
  },
})
`

let home: Home
let repo: string
beforeAll(async () => {
  home = makeHome()
  repo = await readyRepo(home)
  mkdirSync(join(repo, '.overstory', 'runtimes'), { recursive: true })
  writeFileSync(join(repo, '.overstory', 'runtimes', 'acme.js'), OWN)
  writeFileSync(join(repo, 'overstory.local.yaml'), 'runtime: { own: true }\n')
  await home.ov(repo, ['runtime', 'trust', 'acme', '--yes'])
})
afterAll(() => home.dispose())

/** A folder with the CLI, perhaps one that does not keep what its adapter says. */
function withAcme(flaw: string): string {
  const folder = join(home.path, flaw)
  mkdirSync(folder)
  const program = resolve(import.meta.dirname, '..', 'rig', 'acme-cli.ts')
  const node = `${process.execPath} --disable-warning=ExperimentalWarning`
  writeFileSync(join(folder, 'acme'), `#!/bin/sh\nexec ${node} ${program} ${flaw} "$@"\n`, { mode: 0o755 })
  return folder
}

test('every proof is seen of a runtime of one’s own, by its adapter alone', async () => {
  const env = { PATH: `${withAcme('flawless')}:${home.env.PATH}` }
  const { code, stdout, output } = await home.ov(repo, ['runtime', 'certify', 'acme', '--json'], {
    env,
    timeoutMs: 280_000,
  })
  expect(code, output).toBe(0)
  const [{ version, findings }] = JSON.parse(stdout).certificates
  expect(version).toBe('3.1.4')
  const proved = findings.filter(({ result }: { result: string }) => result === 'proved')
  expect(proved.map(({ proof }: { proof: string }) => proof)).toEqual(
    expect.arrayContaining([
      'work',
      'mail',
      'resume',
      'interrupt',
      'children',
      'auth',
      'overloaded',
      'network',
      'question',
    ]),
  )
})

test.each([
  ['forgets', 'resume', 'It has forgotten'],
  ['hides', 'overloaded', 'A failure that is told'],
])('a CLI that %s is not certified', async (flaw, id, why) => {
  const runtime = adapterIn(await import(`data:text/javascript,${encodeURIComponent(OWN)}`), 'acme') as TriedRuntime
  const program = join(withAcme(flaw), 'acme')
  const proof = PROOFS.find((one) => one.id === id)
  if (proof === undefined) throw new Error(id)
  const finding = await prove(proof, { runtime, program, version: '3.1.4', own: OWN, ov: OV })
  expect(finding).toMatchObject({ result: 'failed', why: expect.stringContaining(why) })
})
