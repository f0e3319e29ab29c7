import { existsSync, statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { OvError } from '../errors.ts'
import { oneLine } from '../mail/frame.ts'
import { listFolder } from '../os/files.ts'
import { cloneRepository, GitFailure, gitAt } from '../os/git.ts'

/** Ways to reach a repository that only transfer. Anything else (`ext::`, a helper of that name) may run a command. */
const SCHEMES = ['https:', 'http:', 'ssh:', 'git:', 'file:', 'git+ssh:', 'ssh+git:']

/**
 * Why something is not an address to clone from, or null when it is: a URL of a known scheme, `host:path` as ssh
 * takes it, or a path.
 */
export function refusedUrl(url: string): string | null {
  if (url.trim() === '') return 'it is empty'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(url)) return 'it holds control characters'
  if (url.startsWith('-')) return 'it looks like an option'
  if (/^[A-Za-z0-9+.-]+::/.test(url)) return 'a transport helper would run a command'
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*:)\/\//.exec(url)?.[1]?.toLowerCase()
  if (scheme === undefined) return null
  if (!SCHEMES.includes(scheme)) return `${scheme}// is not a way to clone`
  return /^[^/]+\/\/([^/@]*@)?-/.test(url) ? 'its host looks like an option' : null
}

/** The folder `git clone` would choose: the last part of the address. Null when it has none to offer. */
export function folderFor(url: string): string | null {
  const name = url
    .replace(/[?#].*$/, '')
    .replace(/\/+$/, '')
    .replace(/\/?\.git$/, '')
    .split(/[/:]/)
    .at(-1)
  return name === undefined || name === '' || /^[.~-]/.test(name) ? null : name
}

/** The address without what it may hold of a password or token. */
export function withoutSecrets(url: string): string {
  return oneLine(url.replace(/^([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^/@]*@/, '$1'), 200)
}

/**
 * Clones a repository, or finds that it is there already. Gives the folder.
 *
 * @throws {OvError} `init.bad-url`, `init.folder-taken`, `init.clone-failed`
 */
export async function cloneInto(url: string, cwd: string, dir?: string): Promise<{ folder: string; cloned: boolean }> {
  const refused = refusedUrl(url)
  const said = withoutSecrets(url)
  if (refused !== null) {
    throw new OvError('user', 'init.bad-url', `"${said}" can't be cloned: ${refused}.`, {
      hint: 'Give an https or ssh address: ov init https://example.com/team/project.git',
    })
  }
  if (dir === undefined && existsSync(resolve(cwd, url))) {
    throw new OvError('user', 'init.bad-url', `"${said}" is a folder on this machine.`, {
      hint: `To set it up: cd '${said}' && ov init. To clone it: ov init '${said}' NEW-FOLDER`,
    })
  }
  const name = dir ?? folderFor(url)
  if (name === null || name === '') {
    throw new OvError('user', 'init.bad-url', `No name for a folder can be taken from "${said}".`, {
      hint: `Give one: ov init '${said}' FOLDER`,
    })
  }
  const folder = resolve(cwd, name)
  if (existsSync(folder) && (!statSync(folder).isDirectory() || listFolder(folder).length > 0)) {
    if (await isCloneOf(folder, url)) return { folder, cloned: false }
    throw new OvError('user', 'init.folder-taken', `${folder} exists and is not a clone of ${said}.`, {
      hint: `Choose another folder: ov init '${said}' ${basename(folder)}-2`,
    })
  }
  try {
    await cloneRepository(url, folder)
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error
    const why = oneLine(error.stderr.replaceAll(url, said).replace(/\/\/[^/@\s]*@/g, '//'), 400)
    throw new OvError('failed', 'init.clone-failed', `${said} could not be cloned: ${why}`, {
      hint: `See whether git can: git clone -- '${said}'`,
      cause: error.exitCode,
    })
  }
  return { folder, cloned: true }
}

async function isCloneOf(folder: string, url: string): Promise<boolean> {
  if (!existsSync(resolve(folder, '.git'))) return false
  try {
    return (await gitAt(folder).raw('config', '--get', 'remote.origin.url')).trim() === url
  } catch (error) {
    if (error instanceof GitFailure) return false
    throw error
  }
}
