import { globSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Plugin } from '@oclif/core'
import { expect, test } from 'vitest'
import { MAIL_TYPES } from '../../src/contract/mail.ts'
import { checkedPayload } from '../../src/mail/payload.ts'

const ROOT = resolve(import.meta.dirname, '..', '..')
const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'oclif.manifest.json'), 'utf8'))

/** Names of the files below a folder, without their extensions. */
const namesIn = (folder: string) =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .replace(join(ROOT, folder), '')
        .replace(/\.\w+$/, ''),
    )
    .sort()

test('the manifest says of every command what the command says of itself', async () => {
  const fresh = new Plugin({ root: ROOT, ignoreManifest: true, errorOnManifestCreate: true })
  await fresh.load()
  expect(MANIFEST).toEqual(JSON.parse(JSON.stringify(fresh.manifest)))
})

test('one file is one command, one file is one runtime, before and after the build', () => {
  expect(namesIn('dist/commands')).toEqual(namesIn('commands'))
  expect(namesIn('dist/runtimes')).toEqual(namesIn('runtimes'))
  const ids = namesIn('commands').map((name) =>
    name
      .slice(1)
      .replaceAll('/', ':')
      .replace(/:index$/, ''),
  )
  expect(Object.keys(MANIFEST.commands).sort()).toEqual(ids.sort())
})

test('a mail that carries nothing is judged the same whether or not its schema is asked', async () => {
  const judged = (type: (typeof MAIL_TYPES)[number], payload: unknown) =>
    checkedPayload(type, payload).catch((error: unknown) => String(error))
  for (const type of MAIL_TYPES) expect(await judged(type, undefined), type).toEqual(await judged(type, {}))
})

test('of what is built for Node no file has a character that would make it twice as large in memory', () => {
  const files = globSync('dist/{src,engine,commands,runtimes}/**/*.js', { cwd: ROOT })
  expect(files).toContain('dist/src/watcher.js')
  expect(files.filter((file) => readFileSync(join(ROOT, file)).some((byte) => byte > 127))).toEqual([])
})
