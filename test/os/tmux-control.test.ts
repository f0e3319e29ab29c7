import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allProcesses, argumentsOf } from '../../src/os/process.ts'
import { openSession, type Tmux } from '../../src/os/tmux.ts'
import { watchSessions } from '../../src/os/tmux-control.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'

let home: Home
let tmux: Tmux
beforeEach(() => {
  home = makeHome()
  tmux = { socket: join(home.path, 'tmux.sock') }
})
afterEach(() => home.dispose())

const processesOfServer = () =>
  allProcesses()
    .map(({ pid }) => pid)
    .filter((pid) => argumentsOf(pid).includes(tmux.socket))

test('where a tmux server was killed, watching its sessions starts no other', async () => {
  expect(await openSession(tmux, 'one', ['sleep', '600'], { cwd: '/', env: { ...home.env } })).toBeNull()
  for (const pid of processesOfServer()) process.kill(pid, 'SIGKILL')
  await expect.poll(processesOfServer).toEqual([])
  for (let round = 0; round < 20; round++) {
    let told = 0
    const watch = watchSessions(tmux, () => {
      told += 1
    })
    watch.connect()
    // Half of them are cut off at once, the others when tmux has said that there is no server.
    if (round % 2 === 0) await expect.poll(() => told).toBe(1)
    expect(watch.panes).toBeNull()
    watch.close()
  }
  await expect.poll(processesOfServer).toEqual([])
})
