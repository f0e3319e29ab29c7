import { fstatSync, readFileSync, statSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { homedir, release } from 'node:os'
import { join } from 'node:path'
import packageFile from '../../package.json' with { type: 'json' }
import { print } from './print.ts'

/*
 * The fast door: what agents and scripts call all the time is done without oclif, by the same stories. What cannot be
 * read cleanly here, or is for a terminal, goes to oclif as it was typed; nothing has been done or printed by then.
 * Nothing heavy may be reachable from here (.dependency-cruiser.hot.cjs), and both doors must say the same to the letter
 * (test/cli/doors.test.ts).
 */

/** Sends a command line through the fast door where that can read it, else to oclif. */
export async function enter(argv: readonly string[]): Promise<void> {
  const [first, second] = argv
  if (argv.length === 1 && first === '--version') return print(1, `${userAgent()}\n`)
  if (argv.length === 1 && (first === '--help' || first === 'help') && isForNobody() && printRootHelp()) return
  // Compiled code is kept between calls; where the folder can't be written, Node goes without.
  enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'ov', 'compiled'))
  if (first === 'runner') {
    const { runnerMain } = await import('../runner/runner-main.ts')
    return runnerMain(argv.slice(1))
  }
  if (first === 'mail' && (second === 'check' || second === 'send') && isForNobody()) {
    const { mailCheck, mailSend } = await import('./hot-mail.ts')
    if (await (second === 'check' ? mailCheck : mailSend)(argv.slice(2))) return
  }
  if (first === 'status' && argv.includes('--json') && isForNobody()) {
    const { statusDocument } = await import('./hot-status.ts')
    if (await statusDocument(argv.slice(1))) return
  }
  if (first === 'sling' && isForNobody()) {
    const { sling } = await import('./hot-sling.ts')
    if (await sling(argv.slice(1))) return
  }
  if (first === 'stop' && isForNobody()) {
    const { stop } = await import('./hot-stop.ts')
    if (await stop(argv.slice(1))) return
  }
  if (first === 'merge' && isForNobody()) {
    const { merge } = await import('./hot-merge.ts')
    if (await merge(argv.slice(1))) return
  }
  const door = await import('./door.ts')
  await door.enter(argv)
}

/** As oclif names this program. */
function userAgent(): string {
  const { arch, platform, version } = process
  const isWindowsInside = platform === 'linux' && /microsoft/i.test(release())
  const system = `${isWindowsInside ? 'wsl' : platform}-${arch === 'ia32' ? 'x86' : arch}`
  return `${packageFile.name}/${packageFile.version} ${system} node-${version}`
}

/** The help for the whole of `ov`, as the build has taken it down from oclif; false where there is none. */
function printRootHelp(): boolean {
  try {
    print(1, readFileSync(join(import.meta.dirname, 'help.txt'), 'utf8').replace('{user-agent}', userAgent()))
    return true
  } catch {
    // Not built yet. (What can't be written, oclif cannot write either.)
    return false
  }
}

/** No terminal, and no wish for colours or more words than usual: then what is printed depends on nothing else. */
function isForNobody(): boolean {
  if (Object.keys(process.env).some((name) => /^(FORCE_COLOR$|CLICOLOR_FORCE$|DEBUG$|OCLIF_)/.test(name))) return false
  return !mayBeTerminal(1) && !mayBeTerminal(2)
}

/** Node's own way to ask loads its whole network code. */
function mayBeTerminal(file: number): boolean {
  try {
    const info = fstatSync(file)
    return info.isCharacterDevice() && info.rdev !== statSync('/dev/null').rdev
  } catch {
    // Closed, or no /dev/null: nothing that has to be fast.
    return true
  }
}
