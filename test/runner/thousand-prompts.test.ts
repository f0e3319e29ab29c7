import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSession, type Tmux } from '../../src/os/tmux.ts'
import { pasteable } from '../../src/runner/typing.ts'
import { hardPrompts } from '../rig/prompts.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'
import type { Options } from '../rig/screen-cli.ts'

let home: Home
let tmux: Tmux
beforeAll(() => {
  home = makeHome()
  tmux = { socket: join(home.path, 'tmux.sock') }
})
afterAll(() => home.dispose())

const linesOf = (path: string): unknown[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    : []

/** Types prompts into a fake CLI of its own pane; gives the folder with its accounts. */
async function host(name: string, first: number, count: number, kind: 'reports' | 'screen-only', options: Options) {
  const folder = join(home.path, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'options.json'), JSON.stringify({ hooks: kind === 'reports', ...options }))
  const script = join(import.meta.dirname, '..', 'rig', 'screen-host.ts')
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', script]
  const argv = [...node, tmux.socket, folder, String(first), String(count), kind]
  expect(await openSession(tmux, name, argv, { cwd: folder, env: home.env })).toBeNull()
  return { folder, over: () => linesOf(join(folder, 'events.ndjson')).at(-1) === 'over' }
}

test('a thousand prompts pasted to a CLI that swallows Enter, draws late and reports or not: byte-exact, none lost, none doubled', async () => {
  const unruly = { deafMs: 400, swallows: 0.1, drawMs: 12, turnMs: 30 }
  // Without reports each turn is watched from its beginning to its end, which takes longer.
  const shares = [240, 240, 230, 230, 30, 30]
  const hosts = await Promise.all(
    shares.map((count, index) => {
      const first = shares.slice(0, index).reduce((sum, share) => sum + share, 0)
      const kind = index < 4 ? 'reports' : 'screen-only'
      return host(`pane-${index}`, first, count, kind, { ...unruly, seed: index + 1 })
    }),
  )
  await expect.poll(() => hosts.every(({ over }) => over()), { timeout: 280_000, interval: 200 }).toBe(true)
  const got = hosts.flatMap(({ folder }) => linesOf(join(folder, 'prompts.ndjson')))
  const wanted = hardPrompts(1_000).map(pasteable)
  expect(got).toHaveLength(wanted.length)
  // Compared one by one: a difference in one of 200 KB would be printed whole.
  expect(got.filter((prompt, index) => prompt !== wanted[index])).toEqual([])
  const noted = hosts.flatMap(({ folder }) => linesOf(join(folder, 'events.ndjson')))
  const count = (type: string) => noted.filter((event) => (event as { type?: string }).type === type).length
  expect(count('turn_start')).toBe(1_000)
  expect(count('turn_end')).toBe(1_000)
  expect(existsSync(join(home.path, 'pane-0', 'pwned'))).toBe(false)
}, 300_000)
