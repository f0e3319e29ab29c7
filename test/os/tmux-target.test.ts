import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { killSession, listSessions, openSession, type Tmux } from '../../src/os/tmux.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'

let home: Home
let tmux: Tmux
beforeEach(() => {
  home = makeHome()
  tmux = { socket: join(home.path, 'tmux.sock') }
})
afterEach(() => home.dispose())

test('who is ended is who was named: nobody whose name only begins like it', async () => {
  const env = { ...home.env }
  expect(await openSession(tmux, 'builder-10', ['sleep', '600'], { cwd: '/', env })).toBeNull()
  await killSession(tmux, 'builder-1')
  expect([...(await listSessions(tmux)).keys()]).toEqual(['builder-10'])
  await killSession(tmux, 'builder-10')
  expect([...(await listSessions(tmux)).keys()]).toEqual([])
})
