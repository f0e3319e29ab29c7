import { execFileSync } from 'node:child_process'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { git, type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'
import {
  changedBy,
  doubled,
  isGreen,
  missing,
  movesOf,
  outOfOrder,
  takeDown,
  takenDown,
  takingDown,
  unreachable,
} from './oracle.ts'

/* Whoever is to say that nothing was lost has to be seen to say that something was. */

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

test('what was taken down is there, by a program or by a shell; a line that was cut off is not', () => {
  const file = join(home.path, 'ledger')
  expect(takenDown(file)).toEqual([])
  takeDown(file, { id: 'a "b" \n' })
  execFileSync('/bin/sh', ['-c', `sha=0123; ${takingDown(file, '{"sha":"$sha"}')}`])
  appendFileSync(file, '{"id":"to')
  expect(takenDown(file)).toEqual([{ id: 'a "b" \n' }, { sha: '0123' }])
})

test('what is missing, doubled or out of order is named', () => {
  expect(missing(['a', 'b', 'b', 'c'], ['c', 'a', 'd'])).toEqual(['b'])
  expect(doubled(['a', 'b', 'a', 'a'])).toEqual(['a'])
  const arrived = [
    { from: 'one', nth: 1 },
    { from: 'two', nth: 1 },
    { from: 'one', nth: 3 },
    { from: 'one', nth: 2 },
  ]
  expect(outOfOrder(arrived)).toEqual(['one: 2 came after 3'])
})

test('a commit that no ref reaches is named, and one that does not pass the check is red', () => {
  const repo = makeRepo(home)
  const commit = (file: string) => {
    writeFileSync(join(repo, file), `${file}\n`)
    git(home, repo, 'add', '--all')
    git(home, repo, 'commit', '--quiet', '--message', file)
    return git(home, repo, 'rev-parse', 'HEAD')
  }
  const first = git(home, repo, 'rev-parse', 'HEAD')
  const good = commit('good')
  const bad = commit('bad')
  expect(movesOf(home, repo, first)).toEqual([good, bad])
  expect(unreachable(home, repo, [first, good, bad])).toEqual([])
  expect([isGreen(home, repo, good), isGreen(home, repo, bad)]).toEqual([true, false])
  git(home, repo, 'reset', '--quiet', '--hard', good)
  expect(unreachable(home, repo, [good, bad])).toEqual([bad])
})

test('a second ov up that does anything is told of; one that saw the load change is not', () => {
  const still = { planned: [], merges: 0, leftovers: [], did: [], said: [], pending: [] }
  expect(changedBy({ ...still, did: [{ at: 1, type: 'mode.changed', agent: null }] })).toEqual([])
  expect(
    changedBy({
      ...still,
      planned: [{ agent: 'b-1', state: 'working', do: 'recover' }],
      leftovers: ['A dead socket is left.'],
      did: [{ at: 1, type: 'agent.recovered', agent: 'b-1' }],
    }),
  ).toEqual([
    'it found something to do: recover b-1',
    'it found something left: A dead socket is left.',
    'it did something: agent.recovered b-1',
  ])
})
