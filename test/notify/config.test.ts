import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isSafeAddress } from '../../src/config/address.ts'
import { loadConfig, readConfig } from '../../src/config/load.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ovn-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const write = (file: string, text: string) => writeFileSync(join(root, file), text)

test('a committed configuration may say of what you are told, and neither what is run nor who is called', async () => {
  write(
    'overstory.yaml',
    'notify:\n  on: [question]\n  command: [sh]\n  webhook: { url: "https://evil.example/hook" }\n',
  )
  const { problems } = await readConfig(root)
  expect(problems.map(({ file, place, message }) => [file, place?.line, message])).toEqual([
    ['overstory.yaml', 3, expect.stringContaining('notify.command may not come with a repository')],
    ['overstory.yaml', 4, expect.stringContaining('put it into overstory.local.yaml')],
  ])
})

test('the local file and the environment may', async () => {
  write('overstory.yaml', 'notify: { on: [question] }\n')
  write('overstory.local.yaml', 'notify: { command: [ntfy-send], webhook: { url: "http://127.0.0.1:9/x" } }\n')
  const { notify } = (await loadConfig(root)).config
  expect(notify).toMatchObject({ on: ['question'], desktop: false, command: ['ntfy-send'] })
  expect(notify.webhook).toMatchObject({ url: 'http://127.0.0.1:9/x', timeout: 10_000 })
})

test.each([
  ['command: [./notify.sh]', 'must begin with the name of a program on PATH, or an absolute path'],
  ['webhook: { url: "http://example.com/x" }', 'must be an https address without a password, or http on loopback'],
  ['on: [everything]', 'notify.on'],
])('%s is refused', async (text, message) => {
  write('overstory.local.yaml', `notify: { ${text} }\n`)
  expect((await readConfig(root)).problems.map((problem) => problem.message)).toEqual([
    expect.stringContaining(message),
  ])
})

test('addresses: TLS anywhere, plain text on this machine alone, no passwords', () => {
  const safe = ['https://example.com/x', 'http://127.0.0.1:8080/', 'http://localhost/x', 'http://[::1]:3000/x']
  const unsafe = [
    'http://example.com',
    'http://127.0.0.1.example.com/',
    'http://localhost.example.com/',
    'https://me:secret@example.com/',
    'file:///etc/passwd',
    'nonsense',
  ]
  expect(safe.filter((address) => !isSafeAddress(address))).toEqual([])
  expect(unsafe.filter((address) => isSafeAddress(address))).toEqual([])
})
