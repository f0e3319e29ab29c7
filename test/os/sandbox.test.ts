import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { newId } from '../../src/ids.ts'
import { run } from '../../src/os/process.ts'
import { CONTAINMENTS, containment, works } from '../../src/os/sandbox.ts'
import { AGENT_MARKER, stopProcessesOf } from '../../src/os/tree.ts'
import { type Herd, herd } from '../rig/processes.ts'

let own: Herd
let folder: string
beforeEach(() => {
  own = herd()
  folder = mkdtempSync(join(tmpdir(), 'ovt-sandbox-'))
})
afterEach(() => {
  own.end()
  rmSync(folder, { recursive: true, force: true })
})

const quoted = (argv: string[]) => argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')

test('the containment chosen is the first that works here', async () => {
  const working = []
  for (const way of CONTAINMENTS) if (await works(way)) working.push(way)
  const chosen = await containment(true)
  expect(chosen.kind).toBe(working[0]?.kind ?? 'none')
})

test('a containment whose program is missing does not work, and is no error', async () => {
  expect(
    await works({ kind: 'pid-namespace', deathOf: () => null, wrap: (argv) => ['ov-no-such-program', ...argv] }),
  ).toBe(false)
})

test('a containment that does not contain does not work', async () => {
  expect(await works({ kind: 'pid-namespace', deathOf: () => null, wrap: (argv) => [...argv] })).toBe(false)
})

const here = []
for (const way of CONTAINMENTS) if (await works(way)) here.push(way)

describe.each(
  here.map(
    (way) =>
      [
        way
          .wrap(['x'])
          .slice(0, -1)
          .find((word) => !word.startsWith('-')) ?? '',
        way,
      ] as const,
  ),
)('contained by %s', (_name, way) => {
  test('arguments, environment, folder and exit code are as without', async () => {
    const odd = ['two words', "it's", '$(x)', '*', '', '-x']
    const argv = way.wrap([
      'node',
      '-e',
      'console.log(JSON.stringify([process.argv.slice(1), process.env.OV_X, process.cwd()])); process.exit(7)',
      '--',
      ...odd,
    ])
    const outcome = await run(argv, { cwd: '/usr', env: { PATH: process.env.PATH ?? '', OV_X: 'ü' } })
    expect(JSON.parse(outcome.stdout)).toEqual([odd, 'ü', '/usr'])
    expect(outcome.code).toBe(7)
  })

  test('the first process ends when its runner is killed', async () => {
    const runner = own.start(`${quoted(way.wrap(['sleep', own.token]))} & wait`)
    await own.expectSleepers(1)
    runner.kill('SIGKILL')
    await own.expectSleepers(0)
  })

  test('an agent is asked before it is killed, and its container goes with it', async () => {
    const agentId = newId()
    const file = join(folder, 'goodbye')
    const script = `trap 'sleep 0.1; echo bye > ${file}; exit 0' TERM; sleep ${own.token} & wait`
    own.start(script, { env: { [AGENT_MARKER]: agentId }, wrap: way.wrap })
    await own.expectSleepers(1)
    expect(await stopProcessesOf(agentId, [])).toEqual([])
    expect(own.sleepers()).toEqual([])
    expect(readFileSync(file, 'utf8')).toBe('bye\n')
  })
})

describe.each(
  here.filter((way) => way.kind === 'pid-namespace').map((way) => [way.wrap(['x'])[0] ?? '', way] as const),
)('in a pid namespace of %s', (_name, way) => {
  test.each([
    ['a daemon with an empty environment', '(env -i setsid sleep $T &) & sleep $T'],
    ['a double fork', '((sleep $T &) &); sleep $T'],
    ['one that ignores signals', 'trap "" TERM HUP INT; sleep $T & sleep $T; sleep $T'],
  ])('%s ends when the runner is killed', async (_shape, script) => {
    const runner = own.start(`${quoted(way.wrap(['/bin/sh', '-c', script]))} & wait`)
    await own.expectSleepers(2)
    runner.kill('SIGKILL')
    await own.expectSleepers(0)
  })

  test('what an agent left running ends with its first process', async () => {
    own.start('(env -i setsid sleep $T &) & sleep 0.2', { wrap: way.wrap })
    await own.expectSleepers(1)
    await own.expectSleepers(0)
  })
})
