import { expect, test } from 'vitest'
import codex from '../../runtimes/codex.ts'
import opencode from '../../runtimes/opencode.ts'
import pi from '../../runtimes/pi.ts'
import { recordings } from './recordings.ts'

const adapters = [codex, opencode, pi]
const said = (id: string) => recordings().filter(({ runtime }) => runtime === id)

test.each(adapters)(
  'what $id says though its model hangs is told from work: nothing of a turn is among it',
  (adapter) => {
    const replies = said(adapter.id).flatMap(({ lines }) => lines.filter((line) => adapter.saysNothing?.(line)))
    expect(replies.length).toBeGreaterThan(0)
    const meant = new Set(replies.flatMap((line) => adapter.read(line)).map(({ type }) => type))
    // That a session is there, that a request was refused.
    expect([...meant].filter((type) => type !== 'started' && type !== 'failed')).toEqual([])
  },
)

test('what a CLI replies to a prompt in the middle of a turn is such a reply; what it echoes when that enters is none', () => {
  expect(codex.saysNothing?.('{"id":"ov-prompt-1","result":{"turn":{"id":"t"}}}')).toBe(true)
  expect(pi.saysNothing?.('{"id":"ov-prompt-1","type":"response","command":"prompt","success":true}')).toBe(true)
  expect(opencode.saysNothing?.('{"id":"evt_1","type":"server.heartbeat","properties":{}}')).toBe(true)
  expect(codex.saysNothing?.('{"method":"turn/started","params":{}}')).toBe(false)
  expect(pi.saysNothing?.('{"type":"message_end","message":{"role":"user"}}')).toBe(false)
  expect(opencode.saysNothing?.('{"id":"evt_1","type":"session.status","properties":{}}')).toBe(false)
})
