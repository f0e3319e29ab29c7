import { expect, test } from 'vitest'
import { folderFor, refusedUrl, withoutSecrets } from '../../src/preflight/clone.ts'

test.each([
  'https://github.com/me/project.git',
  'HTTP://example.com/x',
  'ssh://git@host:22/team/x.git',
  'git@github.com:me/project.git',
  'file:///srv/x.git',
  '../upstream',
  '/srv/git/x.git',
])('%s is an address to clone from', (url) => {
  expect(refusedUrl(url)).toBeNull()
})

test.each([
  '',
  '-u./touch',
  '--upload-pack=touch pwned',
  'ext::sh -c touch% pwned',
  'EXT::sh',
  'fd::17/x',
  'persistent-https::x',
  'evil://host/x',
  'ssh://-oProxyCommand=touch/x',
  'ssh://me@-oProxyCommand=touch/x',
  'a\nb:c',
  'a\u001b[2Jb',
])('%j is refused', (url) => {
  expect(refusedUrl(url)).toEqual(expect.any(String))
})

test.each([
  ['https://github.com/me/project.git', 'project'],
  ['https://github.com/me/project/', 'project'],
  ['git@github.com:project.git', 'project'],
  ['/srv/x/.git', 'x'],
  ['https://host/x.git?token=1', 'x'],
  ['https://host/..', null],
  ['https://host/-rf', null],
])('the folder for %s is %s', (url, folder) => {
  expect(folderFor(url)).toBe(folder)
})

test('a password in an address is not shown', () => {
  expect(withoutSecrets('https://me:s3cret@host/x.git')).toBe('https://host/x.git')
  expect(withoutSecrets('git@github.com:me/x.git')).toBe('git@github.com:me/x.git')
})
