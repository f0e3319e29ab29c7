import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Certificate } from '../../src/certify/certificate.ts'
import { type Llm, startLlm } from '../../src/certify/llm/server.ts'
import { commit, done } from '../../src/certify/proofs/work.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'
import { CLAUDE } from './cli.ts'
import { installed } from './install.ts'

/** A scripted model stands where the real service would, reached as a person reaches that: by their own environment. */
let home: Home
let llm: Llm
let env: Record<string, string>
beforeAll(async () => {
  home = makeHome()
  llm = await startLlm(CLAUDE.trial)
  const setting = CLAUDE.trial.setting({ url: llm.url, key: CLAUDE.key, as: 'key' })
  env = { ...setting.env, PATH: `${await installed(CLAUDE.npm)}:${home.env.PATH}` }
})
afterAll(async () => {
  await home.dispose()
  await llm.close()
})

test('without a word of yours nothing is asked of the real service', async () => {
  const asked = await home.ov(home.path, ['runtime', 'certify', 'claude', '--live', '--no-input', '--json'], { env })
  expect([asked.code, JSON.parse(asked.stdout).error.code]).toEqual([6, 'certify.not-asked'])
  expect(llm.requests).toEqual([])
})

test('with it, one question and one small task are, by your own login, and nothing is left', async () => {
  llm.play('builder', (ask) => ask.system.includes('You are `builder-1`'), [
    commit('hello', 'hello.txt', 'Say hello'),
    ...done(),
  ])
  mkdirSync(join(home.env.HOME ?? '', '.claude'))
  const words = ['runtime', 'certify', 'claude', '--live', '--yes', '--json']
  const { stdout, output } = await home.ov(home.path, words, { env, timeoutMs: 120_000 })
  const { certificates }: { certificates: Certificate[] } = JSON.parse(stdout)
  expect(certificates, output).toMatchObject([
    {
      runtime: 'claude',
      against: 'real service',
      findings: [
        { proof: 'question', result: 'proved', did: 'answered' },
        { proof: 'work', result: 'proved', did: 'merged and landed' },
      ],
    },
  ])
  expect(llm.requests.every(({ headers }) => headers['x-api-key'] === CLAUDE.key)).toBe(true)
})
