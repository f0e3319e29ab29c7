import { afterEach, beforeEach, expect, test } from 'vitest'
import { commitTree, gitAt, identitiesOf } from '../../src/os/git.ts'
import { commonDirAt } from '../../src/os/git-folder.ts'
import { treeOfLoose, writeCommit } from '../../src/os/objects.ts'
import { openRefWriter, swapRefs } from '../../src/os/refs.ts'
import { inHome } from '../rig/project.ts'
import { git, type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'

let home: Home
let repo: string
beforeEach(() => {
  home = makeHome()
  repo = makeRepo(home)
})
afterEach(() => home.dispose())

const MESSAGES = ['One line', 'A title\n\nA body: ü, 漢字.\n', '-m looks like an option\n']

test.each(['sha1', 'sha256'])('a commit written by hand is the one that git writes (%s)', async (format) => {
  const path = `${repo}-${format}`
  git(home, home.path, 'init', '--quiet', `--object-format=${format}`, path)
  git(home, path, 'commit', '--quiet', '--allow-empty', '--message', 'First')
  await inHome(home, async () => {
    const host = gitAt(path)
    const who = await identitiesOf(host)
    expect(who).toMatchObject({ author: 'Test <test@localhost>', committer: 'Test <test@localhost>' })
    const tree = git(home, path, 'rev-parse', 'HEAD^{tree}')
    const first = git(home, path, 'rev-parse', 'HEAD')
    git(home, path, 'commit', '--quiet', '--allow-empty', '--message', 'Second')
    const second = git(home, path, 'rev-parse', 'HEAD')
    for (const message of MESSAGES) {
      for (const parents of [[], [first], [second, first]]) {
        const byGit = await commitTree(host, tree, parents, message)
        const at = Number(git(home, path, 'log', '-1', '--format=%ct', byGit))
        if (who === null) throw new Error('nobody')
        expect(writeCommit(commonDirAt(path), who, { tree, parents, message, at })).toBe(byGit)
        const next = writeCommit(commonDirAt(path), who, { tree, parents, message, at: at + 1 })
        expect(next).not.toBe(byGit)
        expect(treeOfLoose(commonDirAt(path), next)).toBe(tree)
        expect(git(home, path, 'cat-file', 'commit', next)).toBe(
          git(home, path, 'cat-file', 'commit', byGit).replaceAll(`> ${at} `, `> ${at + 1} `),
        )
      }
    }
    expect(git(home, path, 'fsck', '--strict', '--no-dangling')).toBe('')
  })
})

test('where nobody is configured, or commits have another encoding, git is asked to write them', async () => {
  await inHome(home, async () => {
    git(home, repo, 'config', 'i18n.commitEncoding', 'latin1')
    expect(await identitiesOf(gitAt(repo))).toBeNull()
  })
})

test('an open git moves refs one transaction after the other, and goes on after one that is refused', async () => {
  await inHome(home, async () => {
    const host = gitAt(repo)
    const writer = openRefWriter(host, 'test')
    const head = git(home, repo, 'rev-parse', 'HEAD')
    git(home, repo, 'commit', '--quiet', '--allow-empty', '--message', 'Second')
    const next = git(home, repo, 'rev-parse', 'HEAD')
    const swap = (from: string | null, to: string) =>
      swapRefs(host, [{ ref: 'refs/x/a', from, to }], 'test', undefined, writer)
    try {
      expect(await swap(null, head)).toBe(true)
      expect(await swap(head, next)).toBe(true)
      expect(await swap(head, next)).toBe(false)
      expect(await swap(next, head)).toBe(true)
      expect(git(home, repo, 'rev-parse', 'refs/x/a')).toBe(head)
    } finally {
      writer.close()
    }
  })
})
