import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fakeScreenClaude } from '../rig/fake-claude.ts'
import { git, type Home, makeHome, readyRepo } from '../rig/sandbox-home.ts'

let home: Home
let repo: string
beforeEach(async () => {
  home = makeHome()
  repo = await readyRepo(home)
})
afterEach(() => home.dispose())

const commit = (file: string) => `echo ${file} > ${file} && git add ${file} && git commit -q -m "Add ${file}"`

function promptsIn(folder: string): string[] {
  return readFileSync(join(folder, 'prompts.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test.each([
  ['reports by hooks', true],
  ['does not', false],
])(
  'an agent on its own screen whose CLI %s gets its task as an argument, mail by paste, and its work is merged',
  async (_, hooks) => {
    const { folder, ...env } = fakeScreenClaude(
      home,
      [
        `${commit('a.txt')}; ov mail send --to human --subject First --body "a is in"; ov ask "And now?"`,
        `${commit('b.txt')}; ov done --summary "Both are in"`,
      ],
      { hooks },
    )
    const sling = home.ov(repo, ['sling', '--interactive', '--task', 'Add a, then b', '--wait', '--json'], { env })
    await expect
      .poll(async () => (await home.ov(repo, ['status'])).output, { timeout: 30_000 })
      .toContain('builder-1 asks: And now?')
    await home.ov(repo, ['mail', 'send', '--to', 'builder-1', '--subject', 'Go on', '--body', 'Now b, please;'])
    const slung = await sling
    expect(JSON.parse(slung.stdout), slung.output).toMatchObject({ state: 'merged' })
    expect(git(home, repo, 'show', 'main:b.txt')).toBe('b.txt')
    const prompts = promptsIn(folder)
    expect(prompts).toHaveLength(2)
    expect(prompts[0]).toContain('Add a, then b')
    expect(prompts[1]).toContain('Now b, please;')
  },
)
