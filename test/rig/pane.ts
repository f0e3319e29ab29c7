import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Home } from './sandbox-home.ts'

/** A terminal with somebody at it: a pane of a tmux server of the test's own, with a shell in it. */
export interface Pane {
  /** Types keys by tmux's names of them, each by itself. */
  press(...keys: string[]): Promise<void>
  /** Types a text, letter by letter. */
  type(text: string): void
  /** What it shows, line by line. */
  shows(): string[]
  resize(columns: number, rows: number): void
  /** Waits until it shows this. */
  expectText(text: string | RegExp): Promise<void>
  /** True while a program has the second screen; whether the cursor is shown. */
  state(): { alternate: boolean; cursor: boolean }
  /** The processes of the command in it, without the shell. */
  pids(): number[]
  close(): void
}

export function openPane(
  home: Home,
  cwd: string,
  { columns = 80, rows = 24, env = {} }: { columns?: number; rows?: number; env?: Record<string, string> } = {},
): Pane {
  const socket = join(home.path, 'pane.sock')
  const tmux = (...args: string[]) =>
    execFileSync('tmux', ['-S', socket, '-f', '/dev/null', ...args], {
      env: { ...home.env, TERM: 'xterm-256color' },
      encoding: 'utf8',
    })
  const { NO_COLOR: _colourful, ...inside } = home.env
  const all = { ...inside, TERM: 'xterm-256color', PS1: '$ ', ...env }
  const size = ['-x', String(columns), '-y', String(rows)]
  const shell = ['env', '-i', ...Object.entries(all).map(([name, value]) => `${name}=${value}`), 'sh']
  tmux('new-session', '-d', '-s', 'm', ...size, '-c', cwd, ...shell)
  tmux('set', '-g', 'status', 'off')
  tmux('resize-window', '-t', 'm', ...size)
  const shows = () => tmux('capture-pane', '-p', '-t', 'm').split('\n').slice(0, -1)
  return {
    async press(...keys) {
      for (const key of keys) {
        tmux('send-keys', '-t', 'm', key)
        // What comes in one piece is taken for typed ahead.
        await new Promise((done) => setTimeout(done, 60))
      }
    },
    type: (text) => tmux('send-keys', '-t', 'm', '-l', '--', text),
    shows,
    resize: (x, y) => tmux('resize-window', '-t', 'm', '-x', String(x), '-y', String(y)),
    async expectText(text) {
      const found = expect.poll(() => shows().join('\n'))
      if (typeof text === 'string') await found.toContain(text)
      else await found.toMatch(text)
    },
    state() {
      const [alternate, cursor] = tmux('display', '-p', '-t', 'm', '#{alternate_on} #{cursor_flag}').trim().split(' ')
      return { alternate: alternate === '1', cursor: cursor === '1' }
    },
    pids() {
      const shell = tmux('display', '-p', '-t', 'm', '#{pane_pid}').trim()
      const children = execFileSync('ps', ['-o', 'pid=', '--ppid', shell], { encoding: 'utf8' })
      return children.trim().split(/\s+/).map(Number)
    },
    close: () => tmux('kill-server'),
  }
}
