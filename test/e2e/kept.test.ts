import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventsOfKinds } from '../../src/events/store.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { git, type Home, makeHome } from '../rig/sandbox-home.ts'

let home: Home
let fleet: Fleet
beforeEach(() => {
  home = makeHome()
})
afterEach(async () => {
  await fleet.db.destroy()
  await home.dispose()
})

test('an agent whose commits cannot be given refs just now works on, and says so once; they have them as soon as they can', async () => {
  fleet = await makeFleet(home)
  const file = (name: string) => join(home.path, name)
  const until = (name: string) => `while [ ! -e '${file(name)}' ]; do sleep 0.05; done`
  const commit = 'echo work > work.txt; git add -A; git commit -qm Work; git commit -q --amend -m Again'
  await fleet.sling('worker', `${until('commit')}; ${commit}; ${until('end')}`)
  const { id } = await fleet.expectState('worker', 'working')
  const keeps = join(fleet.repo, '.git', 'refs', 'ov', 'keep')
  mkdirSync(keeps, { recursive: true })
  writeFileSync(join(keeps, id), 'no folder of refs')
  writeFileSync(file('commit'), '')
  const failures = async () => (await eventsOfKinds(fleet.db, id, ['agent.keep-failed'], 10)).length
  await expect.poll(failures).toBe(1)
  expect((await fleet.agent('worker')).state).toBe('working')
  rmSync(join(keeps, id))
  const kept = () => git(home, fleet.repo, 'for-each-ref', '--format=%(refname)', `refs/ov/keep/${id}/`).split('\n')
  await expect.poll(kept).toHaveLength(2)
  expect(await failures()).toBe(1)
  writeFileSync(file('end'), '')
  await fleet.expectState('worker', 'done')
  expect((await fleet.task('worker')).state).toBe('merged')
})
