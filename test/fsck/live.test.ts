import { afterEach, beforeEach, expect, test } from 'vitest'
import { openAgents } from '../../src/agents/store.ts'
import { runnersOf } from '../../src/os/tree.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'

let home: Home
let fleet: Fleet
beforeEach(async () => {
  home = makeHome()
  fleet = await makeFleet(home, { config: 'load: { enabled: false }\nworktrees: { pool: 1 }\n' })
})
afterEach(() => home.dispose())

const WORK = 'echo x > $OV_AGENT && git add -A && git commit -qm One && git commit -q --amend -m Two'
const open = async () => (await openAgents(fleet.db)).map(({ name }) => name)

/** The exit code of `ov fsck` and the invariants that it names. */
async function fsck(): Promise<[number | null, string[]]> {
  const { code, stdout } = await home.ov(fleet.repo, ['fsck', '--json'])
  const { problems } = JSON.parse(stdout) as { problems: { invariant: string }[] }
  return [code, [...new Set(problems.map(({ invariant }) => invariant))]]
}

test('while agents are at work, land and end, nothing is broken', async () => {
  for (const name of ['a', 'b', 'c', 'd']) await fleet.sling(name, WORK)
  await expect
    .poll(
      async () => {
        expect(await fsck()).toEqual([0, []])
        return open()
      },
      { timeout: 100_000 },
    )
    .toEqual([])
  expect(await fsck()).toEqual([0, []])
})

test('after kill -9 of every runner it says what was left, and after ov up nothing is', async () => {
  for (const name of ['a', 'b']) await fleet.sling(name, `${WORK} && sleep 600`)
  for (const name of ['a', 'b']) await fleet.expectState(name, 'working')
  for (const { id } of await openAgents(fleet.db)) for (const { pid } of runnersOf(id)) process.kill(pid, 'SIGKILL')
  const [code, broken] = await fsck()
  expect([code, broken]).toEqual([3, expect.arrayContaining(['agents-have-owners', 'sockets'])])
  expect((await home.ov(fleet.repo, ['up'])).code).toBe(0)
  expect(await fsck()).toEqual([0, []])
})
