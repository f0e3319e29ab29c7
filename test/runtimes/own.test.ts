import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adapterIn } from '../../src/runtimes/own-schema.ts'
import type { Outcome } from '../../src/tasks/outcome.ts'
import { git, type Home, makeHome, readyRepo } from '../rig/sandbox-home.ts'
import { conforms } from './conformance.ts'

/*
 * The twelfth runtime is the one that docs/adding-a-runtime.md shows, as it stands there. Its CLI is a fake: no such
 * program exists.
 */

const PAGE = resolve(import.meta.dirname, '..', '..', 'docs', 'adding-a-runtime.md')
const ADAPTER = /```js\n([\s\S]*?)```/.exec(readFileSync(PAGE, 'utf8'))?.[1] ?? ''

const load = async (text: string) =>
  adapterIn(await import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`), 'acme')
conforms('acme', load(ADAPTER))

const CLI = `
if [ "$1" = --version ]; then echo "acme 3.1.4"; exit; fi
if [ "$1" = ask ]; then echo "You asked: $(cat)"; exit; fi
prompt=$(cat)
echo '{"event":"begin","session":"'$4'","model":"acme-2"}'
echo '{"event":"tool","id":"1","name":"shell","command":"git commit"}'
echo "$prompt" > said.txt; git add -A; git commit -qm "Say it"; ov done --summary Said > /dev/null
echo '{"event":"tool-done","id":"1","ok":true}'
echo '{"event":"tokens","in":812,"out":40}'
echo '{"event":"end"}'`

let home: Home
let repo: string
const file = () => join(repo, '.overstory', 'runtimes', 'acme.js')
const put = (text: string) => {
  mkdirSync(join(file(), '..'), { recursive: true })
  writeFileSync(file(), text)
}
beforeAll(async () => {
  home = makeHome()
  repo = await readyRepo(home, 'runtime: { own: true }\n')
  mkdirSync(join(home.path, 'bin'))
  writeFileSync(join(home.path, 'bin', 'acme'), `#!/bin/sh\n${CLI}\n`, { mode: 0o755 })
})
afterAll(() => home.dispose())

const ov = (...args: string[]) =>
  home.ov(repo, args, { env: { PATH: `${join(home.path, 'bin')}:${home.env.PATH}`, ACME_API_KEY: 'x' } })
const json = async (...args: string[]) => JSON.parse((await ov(...args, '--json')).stdout)
const sling = () => json('sling', '--runtime', 'acme', '--task', 'Say hello', '--again', '--wait')

describe('an adapter in .overstory/runtimes', () => {
  test('is not run by what a repository says alone; nothing of it is', async () => {
    const ran = join(home.path, 'ran')
    put(`import { writeFileSync } from 'node:fs'\nwriteFileSync('${ran}', '')\n${ADAPTER}`)
    for (const words of [
      ['sling', '--runtime', 'acme', '--task', 'T'],
      ['runtime', 'list', 'acme'],
    ])
      expect((await json(...words)).error).toMatchObject({ code: 'runtime.untrusted', kind: 'blocked' })
    const listed = await json('runtime', 'list')
    expect(listed.refused).toMatchObject([{ id: 'acme', code: 'runtime.untrusted' }])
    expect((await json('doctor')).issues).toContainEqual(
      expect.objectContaining({ code: 'runtime.untrusted', hint: expect.stringContaining('ov runtime trust acme') }),
    )
    expect((await json('runtime', 'trust', 'acme')).error).toMatchObject({ code: 'runtime.unasked' })
    expect(() => readFileSync(ran)).toThrow('ENOENT')
    expect((await json('status')).agents).toEqual([])
  })

  test('is a runtime like any other once it was trusted: it does a task, and is asked, listed and completed', async () => {
    put(ADAPTER)
    expect(await json('runtime', 'trust', 'acme', '--yes')).toMatchObject({ id: 'acme', trusted: true, wanted: true })
    expect((await json('runtime', 'list', 'acme')).runtimes).toMatchObject([
      { id: 'acme', version: '3.1.4', login: 'seen', can: { resume: true } },
    ])
    const outcome: Outcome = await sling()
    expect(outcome).toMatchObject({ state: 'merged' })
    expect(git(home, repo, 'show', 'main:said.txt')).toContain('Say hello')
    const [agent] = (await json('status')).agents
    expect(agent).toMatchObject({
      runtime: 'acme',
      protection: 'unguarded',
      usage: { input: 812, output: 40, costUsd: null },
    })
    expect((await ov('complete', '--', 'sling', '--runtime', 'ac')).stdout).toBe('acme\t\n')
  })

  test('that has changed since is not run, and agents of it can still be looked at and stopped', async () => {
    put(`${ADAPTER}\n// One line more.\n`)
    expect((await sling()).error).toMatchObject({
      code: 'runtime.untrusted',
      message: expect.stringContaining('has changed since you trusted it'),
    })
    const { agents } = await json('status')
    expect((await json('inspect', agents[0].name)).agent.runtime).toBe('acme')
    expect((await ov('stop', agents[0].name)).code).toBe(0)
    put(ADAPTER)
    expect((await json('runtime', 'list', 'acme')).runtimes).toHaveLength(1)
    await ov('runtime', 'trust', 'acme', '--revoke')
    expect((await sling()).error.message).toContain('was never trusted')
  })

  test('never takes the place of one that comes with ov', async () => {
    const mine = join(file(), '..', 'shell.js')
    writeFileSync(mine, 'throw new Error("run")')
    await ov('runtime', 'trust', 'shell', '--yes')
    expect((await json('runtime', 'list', 'shell')).runtimes[0].title).toBe('Shell command')
    rmSync(mine)
  })

  test('may have a section of its own, and is off where nobody wants such files', async () => {
    await ov('runtime', 'trust', 'acme', '--yes')
    const local = join(repo, 'overstory.local.yaml')
    writeFileSync(local, 'runtime: { own: false, acme: { args: [--fast] } }\n')
    expect((await sling()).error).toMatchObject({ code: 'runtime.own-off' })
    expect((await json('runtime', 'list')).runtimes.map(({ id }: { id: string }) => id)).not.toContain('acme')
    rmSync(local)
  })
})

test.each([
  ['export default 7', 'it is no object'],
  ['export const acme = 1', 'it has no default export'],
  ['export default (', 'Unexpected'],
  ['import "./other.js"; export default {}', 'Invalid relative URL|cannot be resolved|Failed to resolve'],
  [ADAPTER.replace("id: 'acme'", "id: 'amce'"), 'id must be "acme", as its file is called'],
  [ADAPTER.replace('resume: true', 'resume: 1'), 'can.resume must be true or false'],
  [ADAPTER.replace("stopSignal: 'SIGTERM',", ''), 'stopSignal must be "SIGTERM" or "SIGINT"'],
  [
    ADAPTER.replace('answer: () => null,', 'anwser: () => null,'),
    'answer must be a function; anwser is no part of the contract \\(did you mean answer\\?\\)',
  ],
  [ADAPTER.replace("binaries: ['acme']", "binaries: ['a b']"), 'binaries.0 must be the name of a program'],
  [ADAPTER.replace("title: 'Acme Agent',", ''), 'title is missing'],
])('what is wrong with one is said: %#', async (text, message) => {
  await expect(load(text)).rejects.toThrow(new RegExp(message))
})

test('one that is no runtime is told, with its path', async () => {
  put(ADAPTER.replace("title: 'Acme Agent',", ''))
  await ov('runtime', 'trust', 'acme', '--yes')
  expect((await json('runtime', 'list', 'acme')).error).toMatchObject({
    code: 'runtime.broken',
    message: `${file()} is no runtime: title is missing`,
  })
})
