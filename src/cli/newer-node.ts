import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

/**
 * This Node is too old for what `ov` is built on. Runs the same command line with the Node of the checkout where there
 * is one, else says what to install. Uses nothing that an old Node lacks.
 */
export function rerun(mainUrl: string): void {
  const node = fileURLToPath(new URL('../../node_modules/node/bin/node', mainUrl))
  if (!existsSync(node)) {
    process.stderr.write(
      `ov needs Node 22.13 or newer; this is ${process.versions.node}.\nHint: install it from https://nodejs.org, or: npm install -g node@24\n`,
    )
    process.exitCode = 1
    return
  }
  const child = spawn(node, [fileURLToPath(mainUrl), ...process.argv.slice(2)], { stdio: 'inherit' })
  const passOn = (signal: NodeJS.Signals) => child.kill(signal)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, passOn)
  child.on('error', (error) => {
    process.stderr.write(`${node} could not be started: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('close', (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0)
  })
}
