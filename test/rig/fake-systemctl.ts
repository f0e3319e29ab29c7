import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Home } from './sandbox-home.ts'

/** A FAKE `systemctl --user`. It proves nothing about systemd; what it proves is what `ov` asks of it, and in which order. */
export interface FakeSystemctl {
  /** The environment in which `ov` finds it. */
  readonly env: { readonly PATH: string }
  /** What it was asked to change, in order. */
  asked(): string[]
}

/**
 * Puts a FAKE `systemctl` first on PATH that runs a unit's `ExecStart`, makes and removes the link that starts it with the
 * session, and tells whether its process lives. It starts nothing again.
 */
export function fakeSystemctl(home: Home): FakeSystemctl {
  const bin = mkdtempSync(join(home.path, 'systemd-'))
  const log = join(bin, 'asked')
  writeFileSync(log, '')
  writeFileSync(join(bin, 'package.json'), '{ "type": "commonjs" }\n')
  writeFileSync(join(bin, 'systemctl'), `#!${process.execPath}\n${PROGRAM}`, { mode: 0o755 })
  return {
    env: { PATH: `${bin}:${home.env.PATH}` },
    asked: () => readFileSync(log, 'utf8').split('\n').filter(Boolean),
  }
}

const PROGRAM = String.raw`
const { appendFileSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } = require('node:fs')
const { spawn } = require('node:child_process')
const { dirname, join } = require('node:path')
const [, verb, ...rest] = process.argv.slice(2)
const unit = rest.at(-1) ?? ''
const file = join(process.env.HOME, '.config', 'systemd', 'user', unit)
const wants = join(dirname(file), 'default.target.wants', unit)
const pidFile = join(__dirname, unit + '.pid')
const setting = (name) => new RegExp('^' + name + '=(.*)$', 'm').exec(readFileSync(file, 'utf8'))?.[1]
const plain = (text) => text.replaceAll('%%', '%')
const pid = () => {
  const known = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0
  // Its parent has gone, so that nobody leaves it a zombie.
  return known > 0 && existsSync('/proc/' + known) && !/\) Z /.test(readFileSync('/proc/' + known + '/stat', 'utf8')) ? known : 0
}
const stop = () => {
  if (pid() > 0) process.kill(pid(), 'SIGTERM')
  while (pid() > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
}
const start = () => {
  if (pid() > 0) return
  const argv = [...setting('ExecStart').matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word]) => plain(word.replace(/\\(.)/g, '$1')))
  const child = spawn(argv[0], argv.slice(1), { cwd: plain(setting('WorkingDirectory')), detached: true, stdio: 'ignore' })
  writeFileSync(pidFile, String(child.pid))
  child.unref()
}
const link = () => lstatSync(wants, { throwIfNoEntry: false }) !== undefined
if (verb === 'show' && rest[0] === '--property=Version') console.log('Version=252 (FAKE)')
else if (verb === 'show')
  console.log(['LoadState=' + (existsSync(file) ? 'loaded' : 'not-found'), 'ActiveState=' + (pid() > 0 ? 'active' : 'inactive'),
    'UnitFileState=' + (link() ? 'enabled' : ''), 'MainPID=' + pid(), 'NRestarts=0', 'Result=success'].join('\n'))
else {
  appendFileSync(join(__dirname, 'asked'), [verb, ...rest].join(' ') + '\n')
  if (verb === 'enable') {
    if (!link()) {
      mkdirSync(dirname(wants), { recursive: true })
      symlinkSync(file, wants)
    }
    start()
  }
  if (verb === 'restart') {
    stop()
    start()
  }
  if (verb === 'disable') {
    stop()
    rmSync(wants, { force: true })
  }
}
`
