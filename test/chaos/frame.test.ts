import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { MUTATIONS } from './mutations.ts'
import { emptyTally } from './part.ts'
import { randomOf } from './random.ts'
import { document, type Row, table } from './report.ts'
import { sourceOf } from './variant.ts'

const MAIN = join(import.meta.dirname, 'main.ts')

function chaos(...args: string[]) {
  return spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...args], { encoding: 'utf8' })
}

test('a part says its seed, gives its row and the same as a document, and ends with 0', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ovc-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const json = join(folder, 'chaos.json')
  const { status, stdout, stderr } = chaos('--part', 'simulation', '--case', '[0]', '--seed', '7', '--json', json)
  expect(stderr).toContain('seed 7')
  expect(stdout).toMatch(/^simulation .* ok$/m)
  expect(status).toBe(0)
  expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({ ok: true, parts: [{ part: 'simulation', seed: 7 }] })
})

test('an unknown part, or a seed that is no number, ends with 2 and says what there is', () => {
  expect(chaos('--part', 'nothing')).toMatchObject({ status: 2, stderr: expect.stringContaining('simulation') })
  expect(chaos('--seed', 'x')).toMatchObject({ status: 2, stderr: 'A seed is an integer.\n' })
  expect(chaos('--list').stdout).toMatch(/^crash-points +\d+ s/m)
})

test('a seed makes the same choices, whatever else was chosen before', () => {
  const some = (random: ReturnType<typeof randomOf>) => Array.from({ length: 20 }, () => random.int(1_000))
  expect(some(randomOf(5))).toEqual(some(randomOf(5)))
  expect(some(randomOf(5))).not.toEqual(some(randomOf(6)))
  const used = randomOf(5)
  some(used)
  expect(some(used.of('mail'))).toEqual(some(randomOf(5).of('mail')))
  expect(randomOf(5).shuffled([1, 2, 3, 4]).toSorted()).toEqual([1, 2, 3, 4])
})

test('a problem shows in the table and in the document', () => {
  const row: Row = {
    ...emptyTally(),
    part: 'mail',
    what: 'kills',
    seed: 1,
    seconds: 2,
    faults: 3,
    load: '2 senders',
    acknowledged: 5,
    delivered: 4,
    mainGreen: false,
    noticed: [10, 20, 4_000],
    problems: [{ what: 'one is lost', replay: 'npm run chaos' }],
  }
  expect(table([row])).toMatch(/mail +3 +2 senders +5\/4 +– +RED +– +20 ms \/ 4\.0 s +– +2 s +1 PROBLEM$/m)
  expect(document([row], false)).toMatchObject({
    ok: false,
    parts: [{ noticedMs: { count: 3, median: 20, p99: 4_000 }, recoveredMs: null }],
  })
})

test('each protection that is taken away is in the source, in one place: what it would be without it can be built', () => {
  const places = MUTATIONS.flatMap(({ without }) =>
    without.map(({ file, snippet }) => ({ file, snippet, times: sourceOf(file).split(snippet).length - 1 })),
  )
  expect(places.filter(({ times }) => times !== 1)).toEqual([])
})
