import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Broker, serveBroker } from '../../src/broker/server.ts'
import type { HookOutput } from '../../src/contract/runtime.ts'
import { callHook, type HookYard, hookYard } from '../rig/hook-yard.ts'
import { OV } from '../rig/sandbox-home.ts'

/** `ov-hook` with the real `ov`, and a broker that the test plays. */
let folder: string
let yard: HookYard
let broker: Broker
let asked: unknown[]
let answer: HookOutput | Error
const env = () => ({ PATH: process.env.PATH ?? '', OV_BROKER: join(folder, 'broker.sock') })

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ovh-'))
  yard = hookYard(folder)
  yard.ov(`exec '${process.execPath}' '${OV}' "$@"`)
  asked = []
  broker = await serveBroker(join(folder, 'broker.sock'), async (op, input) => {
    asked.push([op, input])
    if (answer instanceof Error) throw answer
    return answer
  })
})
afterEach(async () => {
  await broker.close()
  yard.dispose()
  rmSync(folder, { recursive: true, force: true })
})

const guard = (options: Parameters<HookYard['call']>[1] = {}) =>
  yard.call('tool-start', { guard: true, env: env(), stdin: '{"tool_name":"Edit"}', ...options })

test('what the runner answers is printed, and is the exit code', async () => {
  answer = { stdout: '{"a":"ä"}\n', stderr: 'why\n', exit: 2 }
  expect(await guard()).toEqual({ code: 2, stdout: '{"a":"ä"}\n', stderr: 'why\n' })
  const call = expect.stringMatching(/^\d{10}-\d+-0\.tool-start\.ask$/)
  expect(asked).toEqual([['hook', { event: 'tool-start', call, payload: '{"tool_name":"Edit"}' }]])
})

test('a guard refuses when the runner fails, is gone, or was never there', async () => {
  answer = new Error('no')
  expect(await guard()).toMatchObject({ code: 2, stderr: expect.stringContaining('refused') })
  await broker.close()
  expect(await guard()).toMatchObject({ code: 2 })
  expect(await guard({ env: { PATH: process.env.PATH ?? '' } })).toMatchObject({ code: 2 })
})

test('asked from a folder that is gone, and with 300 KB, the answer comes all the same', async () => {
  answer = { stdout: 'yes', stderr: '', exit: 0 }
  const payload = JSON.stringify({ text: 'x'.repeat(300_000) })
  expect(await guard({ stdin: payload, cwd: folder })).toMatchObject({ code: 0, stdout: 'yes' })
  const gone = join(folder, 'gone')
  const script = `mkdir '${gone}' && cd '${gone}' && rmdir '${gone}' && echo '{}' | "${yard.folder.program}" tool-start guard`
  expect(await callHook('-c', script, { shell: ['sh'], env: env(), stdin: null })).toMatchObject({
    code: 0,
    stdout: 'yes',
  })
})
