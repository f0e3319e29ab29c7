import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { makeGround, setUp } from '../../src/certify/ground.ts'
import { endingIn, wholeOf } from '../../src/certify/job.ts'
import { type Llm, startLlm } from '../../src/certify/llm/server.ts'
import { commit, done } from '../../src/certify/proofs/work.ts'
import { OV } from '../rig/sandbox-home.ts'
import { allClis } from './cli.ts'
import { account } from './fleet.ts'
import { programOf } from './install.ts'

const ground = makeGround(OV, () => ({}))
const models: Llm[] = []
afterAll(async () => {
  await ground.machine.dispose()
  for (const llm of models) await llm.close()
})

test('one fleet: every CLI that can be installed takes a task of the same run, and all of it lands on main', async () => {
  const members = await Promise.all(
    (await allClis()).map(async ({ runtime, trial, npm, key }) => {
      const llm = await startLlm(trial)
      models.push(llm)
      const setting = trial.setting({ url: llm.url, key, as: 'key' })
      return { id: runtime.id, llm, setting, program: await programOf(npm) }
    }),
  )
  for (const { path, content } of members.flatMap(({ setting }) => setting.files)) {
    const file = join(ground.machine.env.HOME, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content, { mode: 0o600 })
  }
  const sections = members.map(({ id, program, setting }) => [id, { binary: program, ...setting.section }])
  await setUp(ground, { agents: { maxConcurrent: members.length }, runtime: Object.fromEntries(sections) })

  // What a program is run by may lie beside it.
  const path = [...members.map(({ program }) => dirname(program)), process.env.PATH].join(':')
  const endings = await Promise.all(
    members.map(async ({ id, llm, setting }) => {
      llm.play(id, (ask) => wholeOf(ask).includes(`You are \`${id}\``), [
        commit(`by ${id}`, `${id}.txt`, `Write ${id}.txt`),
        ...done(`--summary "Wrote ${id}.txt"`),
      ])
      const model = setting.model === undefined ? [] : ['--model', setting.model]
      const words = ['sling', '--runtime', id, '--name', id, ...model, '--task', `Write ${id}.txt`, '--wait', '--json']
      // Each as its own person would: where two read the same variable, their models differ.
      const { state, reason } = endingIn(await ground.ov(words, { PATH: path, ...setting.env }))
      return { id, state, reason }
    }),
  )
  expect(endings).toEqual(members.map(({ id }) => ({ id, state: 'merged', reason: null })))

  for (const { id } of members) expect(await ground.git('show', `main:${id}.txt`)).toBe(`by ${id}`)
  const runtimes = await ground.git('log', '--format=%(trailers:key=Ov-Runtime,valueonly,separator=%x2C)', 'main')
  expect(
    runtimes
      .split('\n')
      .filter((line) => line !== '')
      .sort(),
  ).toEqual(members.map(({ id }) => id).sort())
  const { output } = await ground.ov(['run', 'list'])
  expect(output).toContain('run-1')
  expect(output).not.toContain('run-2')
  account('fleet-of-all', {
    'ov status --all': (await ground.ov(['status', '--all'])).output,
    'git log --graph --stat main': await ground.git('log', '--graph', '--stat', '--format=%h %an %s%n%b', 'main'),
  })
})
