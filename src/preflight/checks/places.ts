import { chmodSync, existsSync, lstatSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { OvError } from '../../errors.ts'
import { freeSpace, isPrivateFolder, isWritable, nearestFolder, readText, writeWhole } from '../../os/files.ts'
import { trackedUnder } from '../../os/git.ts'
import { socketFolders } from '../../project.ts'
import { type Check, type Found, foundError } from '../diagnosis.ts'
import type { Place } from '../subject.ts'

/** What `.overstory/.gitignore` says: the folder hides itself, so that no tracked file has to. */
export const IGNORE_ALL = '*\n'

const MB = 1024 * 1024
/** The longest path a unix socket can have on Linux, less the name of the socket itself. */
const SOCKET_FOLDER_LENGTH = 107 - '/0123456789abcdef.sock'.length

/** The state folder: a folder of ours, private, writable, hidden from git. */
export async function checkStateFolder(place: Place): Promise<Check> {
  const { stateDir } = place
  const name = 'state'
  if (!place.initialised) {
    return {
      name,
      summary: 'not set up',
      found: [
        {
          severity: 'error',
          code: 'project.not-initialised',
          message: `${place.root} is not set up for ov yet.`,
          hint: 'ov init',
        },
      ],
    }
  }
  if (!lstatSync(stateDir).isDirectory()) {
    return { name, summary: 'not a folder', found: [notAFolder(stateDir)] }
  }
  const found: Found[] = []
  if (!isWritable(stateDir)) found.push(readOnly(stateDir))
  else if (!isPrivateFolder(stateDir)) found.push(notPrivate(stateDir, 'state.not-private'))
  const ignore = join(stateDir, '.gitignore')
  if (readText(ignore) !== IGNORE_ALL) {
    found.push({
      severity: 'warning',
      code: 'state.not-ignored',
      message: `${ignore} does not hide the folder from git, so state could end up in a commit.`,
      hint: 'ov doctor --fix',
      fix: async () => {
        writeWhole(ignore, IGNORE_ALL)
        return `${stateDir} is hidden from git again.`
      },
    })
  }
  if (!place.bare) {
    const tracked = await trackedUnder(place.git, '.overstory')
    if (tracked.length > 0) found.push(trackedState(tracked))
  }
  return { name, summary: stateDir, found }
}

/** @throws {OvError} `sockets.path-too-long` for a folder in which no agent's socket could be opened */
export function requireShort(socketDir: string): void {
  if (Buffer.byteLength(socketDir) <= SOCKET_FOLDER_LENGTH) return
  const message = `${socketDir} is too long for a socket: at most ${SOCKET_FOLDER_LENGTH} bytes.`
  throw new OvError('user', 'sockets.path-too-long', message, {
    hint: 'Set XDG_RUNTIME_DIR to a private folder with a short path.',
  })
}

/** The folder of the sockets, as far as it exists: openers make what is missing. */
export async function checkSocketFolder(place: Place): Promise<Check> {
  const folders = socketFolders(place.root)
  const own = folders[1]
  const base = nearestFolder(dirname(folders[0]))
  const found: Found[] = []
  try {
    requireShort(own)
  } catch (error) {
    found.push(foundError(error))
  }
  if (!isWritable(base) && !existsSync(own)) {
    found.push({
      severity: 'error',
      code: 'sockets.not-writable',
      message: `No socket folder can be made in ${base}.`,
      hint: 'Set XDG_RUNTIME_DIR to a private folder of yours.',
    })
  }
  for (const folder of folders) {
    if (!existsSync(folder) || isPrivateFolder(folder)) continue
    const info = lstatSync(folder)
    found.push(
      info.isDirectory() && info.uid === process.getuid?.()
        ? { ...notPrivate(folder, 'sockets.not-private'), severity: 'error' }
        : {
            severity: 'error',
            code: 'sockets.not-yours',
            message: `${folder} is not a folder of yours, so ov does not put sockets there.`,
            hint: `Look what it is (ls -ld ${folder}), or set XDG_RUNTIME_DIR to a private folder.`,
          },
    )
  }
  return { name: 'sockets', summary: own, found }
}

/** Room for state and worktrees. */
export async function checkDisk(place: Place, baseDir: string): Promise<Check> {
  const worktrees = isAbsolute(baseDir) ? baseDir : resolve(place.root, baseDir)
  const folders = [...new Set([place.stateDir, worktrees].map(nearestFolder))]
  const found: Found[] = []
  let least = Number.POSITIVE_INFINITY
  for (const folder of folders) {
    const { bytes, files } = await freeSpace(folder)
    least = Math.min(least, bytes)
    const hint = 'Free some space; ov clean shows what of the fleet can go.'
    const message = `${Math.floor(bytes / MB)} MB are free at ${folder}.`
    if (bytes < 100 * MB) found.push({ severity: 'error', code: 'disk.full', message, hint })
    else if (bytes < 1024 * MB) found.push({ severity: 'warning', code: 'disk.low', message, hint })
    if (files !== null && files < 1_000)
      found.push({
        severity: 'error',
        code: 'disk.no-inodes',
        message: `No more than ${files} files can be made at ${folder}.`,
        hint,
      })
  }
  return { name: 'disk', summary: `${(least / 1024 / MB).toFixed(1)} GB free`, found }
}

/** Where the worktrees go; made by the first that needs it. */
export async function checkWorktreeFolder(place: Place, baseDir: string): Promise<Check> {
  const folder = isAbsolute(baseDir) ? baseDir : resolve(place.root, baseDir)
  const below = nearestFolder(folder)
  const usable = statSync(below).isDirectory() && isWritable(below)
  return {
    name: 'worktrees',
    summary: folder,
    found: usable ? [] : [{ ...readOnly(below), code: 'worktrees.not-writable' }],
  }
}

function notAFolder(path: string): Found {
  return {
    severity: 'error',
    code: 'state.not-a-folder',
    message: `${path} is not a folder, so ov keeps nothing there.`,
    hint: `Look what it is (ls -ld ${path}), move it aside, then: ov init`,
  }
}

function readOnly(path: string): Found {
  return {
    severity: 'error',
    code: 'state.read-only',
    message: `${path} can't be written to.`,
    hint: `Make it writable for you: ls -ld ${path}`,
  }
}

function notPrivate(path: string, code: string): Found {
  return {
    severity: 'warning',
    code,
    message: `${path} is open to other users of this machine (wanted: mode 0700).`,
    hint: `ov doctor --fix, or: chmod 700 ${path}`,
    fix: async () => {
      chmodSync(path, 0o700)
      return `${path} is private again.`
    },
  }
}

function trackedState(tracked: readonly string[]): Found {
  return {
    severity: 'error',
    code: 'state.tracked',
    message: `.overstory holds files that are tracked by git: ${tracked.join(', ')}.`,
    hint: 'Take them out of git, keeping the files: git rm -r --cached .overstory && git commit -m "Untrack .overstory"',
  }
}
