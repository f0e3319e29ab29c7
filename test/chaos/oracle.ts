import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { environmentOf, processesMarked } from '../../src/os/process.ts'
import { AGENT_MARKER } from '../../src/os/tree.ts'
import type { Up } from '../../src/watchdog/up.ts'
import { git, type Home } from '../rig/sandbox-home.ts'

/*
 * What was promised to whom, told by those to whom it was promised: scripted agents and senders append each
 * acknowledgement to a file of their own, a line at a time, and know nothing of `ov`'s database. What is not in such a
 * file by the time its author was killed was never acknowledged, and may be lost.
 */

/** Takes one line down, in one write at the end of the file: it is there whole, or not at all. */
export function takeDown(file: string, fact: object): void {
  appendFileSync(file, `${JSON.stringify(fact)}\n`)
}

/**
 * The same for a scripted agent: a shell command that takes down a text, in which the shell's variables are expanded.
 * A text that is a JSON document holds its variables unquoted: `{"sha":"$sha"}`.
 */
export function takingDown(file: string, text: string): string {
  const quoted = text.replace(/[\\"`]/g, '\\$&')
  return `printf '%s\\n' "${quoted}" >> '${file}'`
}

/** What was taken down; a last line that was cut off by a kill doesn't count. */
export function takenDown<T>(file: string): T[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  lines.pop()
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as T)
}

/** What of `expected` is not among `found`, each once. */
export function missing(expected: Iterable<string>, found: Iterable<string>): string[] {
  const there = new Set(found)
  return [...new Set(expected)].filter((one) => !there.has(one))
}

/** What was found more than once. */
export function doubled(found: Iterable<string>): string[] {
  const seen = new Set<string>()
  return [...new Set([...found].filter((one) => seen.has(one) || !seen.add(one)))]
}

/**
 * Where a reader met the mail of one sender in another order than it was sent.
 *
 * @param arrived in the order of the reader; `nth` rises with what the sender sent
 */
export function outOfOrder(arrived: readonly { readonly from: string; readonly nth: number }[]): string[] {
  const last = new Map<string, number>()
  return arrived.flatMap(({ from, nth }) => {
    const before = last.get(from) ?? Number.NEGATIVE_INFINITY
    last.set(from, Math.max(before, nth))
    return nth < before ? [`${from}: ${nth} came after ${before}`] : []
  })
}

/** Which of those commits no ref of a repository reaches any more. */
export function unreachable(home: Home, repo: string, commits: readonly string[]): string[] {
  return missing(commits, git(home, repo, 'rev-list', '--all').split('\n'))
}

/**
 * Whether a commit passes a check: a shell command, run in a fresh folder that holds exactly the files of that commit.
 * Not one of the gates that `ov` ran.
 */
export function isGreen(home: Home, repo: string, commit: string, check = 'test ! -f bad'): boolean {
  const folder = mkdtempSync(join(home.env.TMPDIR ?? home.path, 'green-'))
  const env = { ...home.env }
  try {
    const archive = execFileSync('git', ['archive', commit], { cwd: repo, env, maxBuffer: 1 << 28 })
    execFileSync('tar', ['-xm'], { cwd: folder, input: archive })
    try {
      execFileSync('/bin/sh', ['-c', check], { cwd: folder, env, stdio: 'ignore' })
      return true
    } catch {
      // It ended with something else than 0: that is the answer.
      return false
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Every commit that the canonical branch was ever moved to since `from`, the oldest first. */
export function movesOf(home: Home, repo: string, from: string, branch = 'main'): string[] {
  return git(home, repo, 'rev-list', '--first-parent', '--reverse', `${from}..${branch}`).split('\n').filter(Boolean)
}

/** Nothing of an agent is left so long after its end, in ms: it is promised. */
const ENDED_MS = 10_000

/** How many processes of agents live on a machine on which all of them have ended, once they have had the time that is promised. */
export async function agentProcesses({ env }: Home): Promise<number> {
  const left = () =>
    processesMarked('XDG_RUNTIME_DIR', env.XDG_RUNTIME_DIR ?? '').filter(({ pid }) =>
      environmentOf(pid).some((variable) => variable.startsWith(`${AGENT_MARKER}=`)),
    ).length
  for (const until = performance.now() + ENDED_MS; left() > 0 && performance.now() < until; ) await delay(50)
  return left()
}

/** What `ov fsck` finds broken, a sentence each; empty when all is sound. */
export async function fsck(home: Home, repo: string): Promise<string[]> {
  const { code, stdout, output } = await home.ov(repo, ['fsck', '--json'])
  if (code !== 0 && code !== 3) return [`ov fsck ended with ${code}: ${output.slice(-2_000)}`]
  const found: { readonly problems: readonly { invariant: string; what: string }[] } = JSON.parse(stdout)
  return found.problems.map(({ invariant, what }) => `${invariant}: ${what}`)
}

/**
 * What an `ov up` changed that should have found nothing to do, a sentence each. What the load of the machine or a
 * provider asks for just then is no deed of it: whoever looks records it.
 */
export function changedBy({ planned, leftovers, did }: Up): string[] {
  return [
    ...planned.map((one) => `it found something to do: ${one.do} ${one.agent}`),
    ...leftovers.map((one) => `it found something left: ${one}`),
    ...did.flatMap(({ type, agent }) => (type === 'mode.changed' ? [] : [`it did something: ${type} ${agent ?? ''}`])),
  ]
}
