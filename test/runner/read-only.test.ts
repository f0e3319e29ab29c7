import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Outcome } from '../../src/tasks/outcome.ts'
import { git, type Home, makeHome, readyRepo } from '../rig/sandbox-home.ts'
import { talkingClaude } from '../rig/talking-claude.ts'

/* The agent CLI is a fake (test/rig/talking-claude.ts): what is proved is what the engine does about its changes. */

let home: Home
let repo: string
beforeEach(async () => {
  home = makeHome()
  repo = await readyRepo(home)
})
afterEach(() => home.dispose())

async function scout(brain: string) {
  const claude = talkingClaude(home, brain)
  const words = ['sling', '--capability', 'scout', '--task', 'Look', '--wait', '--json']
  const { stdout } = await home.ov(repo, words, { env: claude.env })
  return { outcome: JSON.parse(stdout) as Outcome, heard: claude.heard().map(({ prompt }) => prompt) }
}

test('what a read-only agent changes is put back after its turn, kept, and told to it; then it goes on', async () => {
  const seen = join(home.path, 'seen')
  const { outcome, heard } = await scout(`
    case "$(cat)" in
      *"put back"*) git status --porcelain > '${seen}'; git log --oneline | wc -l >> '${seen}'; cat README.md >> '${seen}'; ov done --summary 'Looked' > /dev/null ;;
      *) echo changed > README.md; git commit -qam Mine; echo more > more.txt ;;
    esac`)
  expect(outcome).toMatchObject({ state: 'done' })
  expect(readFileSync(seen, 'utf8').replaceAll(' ', '')).toBe('2\n#Toy\n')
  expect(heard).toHaveLength(2)
  expect(heard[1]).toContain('Your changes were put back: your role is read-only')
  expect(heard[1]).toContain('- README.md\n- more.txt')
  const kept = /kept as the commit ([0-9a-f]{40})/.exec(heard[1] ?? '')?.[1] ?? ''
  expect(git(home, repo, 'show', `${kept}:more.txt`)).toBe('more')
  expect(git(home, repo, 'for-each-ref', '--contains', kept, 'refs/ov/keep')).toContain(kept)
  expect(git(home, repo, 'log', '--oneline', 'main').split('\n')).toHaveLength(2)
})

test('one that changes its worktree again and again is failed, and leaves it as it was', async () => {
  const { outcome, heard } = await scout('cat > /dev/null; date +%N >> stubborn.txt')
  expect(outcome).toMatchObject({
    state: 'failed',
    reason: 'Its role is read-only, and it changed its worktree again and again. Each time that was put back.',
  })
  expect(heard).toHaveLength(3)
  const { stdout } = await home.ov(repo, ['worktree', 'list', '--json'])
  expect(JSON.parse(stdout).worktrees).toMatchObject([{ uncommitted: [] }])
})
