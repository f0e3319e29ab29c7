import { resolve } from 'node:path'
import { Config } from '@oclif/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeFleet } from '../rig/fleet.ts'
import { type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'

const ROOT = resolve(import.meta.dirname, '..', '..')

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

describe('ov alone', () => {
  test('says how to begin where there is no project', async () => {
    const outside = await home.ov(home.path, [])
    expect([outside.code, outside.stdout]).toEqual([0, expect.stringContaining('is not inside a git repository.')])
    expect(outside.stdout).toMatch(/ov init\n.*ov demo\n.*ov --help\n$/)
    const fresh = await home.ov(makeRepo(home), ['--json'])
    expect(JSON.parse(fresh.stdout)).toMatchObject({ status: null, next: [{ command: 'ov init' }, {}, {}] })
  })

  test('says what is going on, and what one might do next', async () => {
    const fleet = await makeFleet(home)
    const idle = await home.ov(fleet.repo, [])
    expect(idle.stdout).toMatch(/Nobody is at work\. Give an agent a task +ov sling --task/)
    await fleet.sling('ticker', 'sleep 60')
    const busy = await home.ov(fleet.repo, [])
    expect(busy.stdout).toMatch(/ticker .*\n[\s\S]*Follow ticker +ov logs ticker -f\n/)
  })
})

test('every command says what it is for and gives an example', async () => {
  const config = await Config.load(ROOT)
  const poor = config.commands.filter(({ summary, examples }) => !summary || !examples || examples.length === 0)
  expect(poor.map(({ id }) => id)).toEqual([])
  expect(config.commands.length).toBeGreaterThan(25)
})

test('every flag and argument of every command says what it is', async () => {
  const config = await Config.load(ROOT)
  const silent = config.commands.flatMap(({ id, flags, args }) =>
    [...Object.entries(flags), ...Object.entries(args)]
      .filter(([, { description }]) => !description)
      .map(([name]) => `${id} ${name}`),
  )
  expect(silent).toEqual([])
})
