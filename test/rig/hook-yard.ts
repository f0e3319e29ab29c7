import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import { type HookFolder, hookFolder, privateFolder } from '../../src/hooks/folder.ts'
import { openSpool, type Spool } from '../../src/hooks/spool.ts'

/** The shells that must run `ov-hook`, by what runs a script in them. */
export const SHELLS: Readonly<Record<string, readonly string[]>> = {
  dash: ['dash'],
  bash: ['bash', '--posix'],
  busybox: ['busybox', 'ash'],
}

export interface HookRun {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** How `ov-hook` is called. */
export interface HookCall {
  readonly shell?: readonly string[]
  readonly guard?: boolean
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Written and then closed; null leaves stdin open, with nothing in it. */
  readonly stdin?: string | Buffer | null
}

/** An agent's private folder with an `ov-hook` in it, and an `ov` that the test chooses. */
export interface HookYard {
  readonly privateDir: string
  readonly folder: HookFolder
  readonly spool: Spool
  /** Names of the files in the spool. */
  files(): string[]
  /** Whether a marker is there. */
  has(marker: 'mail' | 'urgent'): boolean
  removeMarkers(): void
  /** Replaces the agent's `ov` by a script. */
  ov(script: string): void
  call(event: string, options?: HookCall): Promise<HookRun>
  dispose(): void
}

export function hookYard(stateDir = mkdtempSync(join(tmpdir(), "ov hook's ")), agentId = 'a-1'): HookYard {
  const privateDir = privateFolder(stateDir, agentId)
  const folder = hookFolder(privateDir)
  mkdirSync(join(privateDir, 'bin'), { recursive: true })
  const spool = openSpool(folder, systemClock)
  const ov = join(privateDir, 'bin', 'ov')
  return {
    privateDir,
    folder,
    spool,
    files: () => readdirSync(folder.spool).sort(),
    has: (marker) => existsSync(folder[marker]),
    removeMarkers() {
      for (const marker of [folder.mail, folder.urgent]) rmSync(marker, { force: true })
    },
    ov(script) {
      writeFileSync(ov, `#!/bin/sh\n${script}\n`)
      chmodSync(ov, 0o755)
    },
    call: (event, options) => callHook(folder.program, event, options),
    dispose: () => rmSync(stateDir, { recursive: true, force: true }),
  }
}

export function callHook(
  program: string,
  event: string,
  { shell = [], guard = false, cwd, env, stdin = '{}' }: HookCall = {},
): Promise<HookRun> {
  const [name = '', ...args] = [...shell, program, event, ...(guard ? ['guard'] : [])]
  const child = spawn(name, args, {
    stdio: 'pipe',
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // A hook that reads nothing closes its stdin: that is its right.
  child.stdin.on('error', () => undefined)
  if (stdin !== null) child.stdin.end(stdin)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}
