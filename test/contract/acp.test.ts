import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import copilot from '../../runtimes/copilot.ts'
import goose from '../../runtimes/goose.ts'
import type { AgentEvent } from '../../src/contract/runtime.ts'
import { usageMeter } from '../../src/spend/meter.ts'
import { agentEvent } from '../runtimes/event-schema.ts'

/** What real CLIs said over ACP, the ids of requests as this driver gives them: `acp-<cli>-<version>.<how>-<what>.ndjson`. */
const FOLDER = join(import.meta.dirname, 'fixtures')
const RECORDED = readdirSync(FOLDER).map((file) => ({
  file,
  cli: file.startsWith('acp-goose') ? goose : copilot,
  cause: /\.fails-([a-z_]+)/.exec(file)?.[1] ?? null,
  lines: readFileSync(join(FOLDER, file), 'utf8').split('\n').filter(Boolean),
}))

const named = (part: string) => {
  const one = RECORDED.find(({ file }) => file.includes(part))
  if (one === undefined) throw new Error(`no recording of ${part}`)
  return { ...one, events: one.lines.flatMap((line) => one.cli.acp.read(line)) }
}

describe.each(RECORDED)('$file', ({ cli, cause, lines }) => {
  const events = lines.flatMap((line): readonly AgentEvent[] => cli.acp.read(line))

  test('is understood to the last line, and ends as it ended', () => {
    expect(events.filter(({ type }) => type === 'unknown')).toEqual([])
    for (const event of events) expect(agentEvent.safeParse(event).error).toBeUndefined()
    const failed = events.filter(({ type }) => type === 'failed')
    expect(failed[0]).toEqual(cause === null ? undefined : expect.objectContaining({ cause }))
    expect(events.some(({ type }) => type === 'started')).toBe(true)
  })

  test('cut or bent it is unknown or still itself', () => {
    for (const line of lines) expect(cli.acp.read(line.slice(0, line.length / 2))).toMatchObject([{ type: 'unknown' }])
    const keys = fc.constantFrom(...lines).map((line) => line.replace(/"(sessionUpdate|stopReason|toolCallId)"/, '"x"'))
    fc.assert(
      fc.property(keys, (line) => {
        for (const event of cli.acp.read(line)) expect(agentEvent.safeParse(event).error).toBeUndefined()
      }),
    )
  })
})

test('a job of two turns: its session, tools with their outcome, words in pieces, ends of turns', () => {
  const { events } = named('goose-1.52.0.works-two-turns')
  expect(events.find(({ type }) => type === 'started')).toEqual({ type: 'started', session: '20261120_1' })
  expect(events.filter(({ type }) => type === 'tool_start')[1]).toMatchObject({ tool: 'shell', summary: 'echo one' })
  expect(events.filter(({ type }) => type === 'tool_end')[1]).toMatchObject({ ok: true, summary: 'one' })
  expect(events.filter(({ type }) => type === 'turn_end')).toHaveLength(2)
  const said = events.flatMap((event) => (event.type === 'text' ? [event.text] : []))
  expect(said.slice(0, 2).join('')).toBe('I will create the file and commit.')
})

test('counts are taken as what they are: totals of the process, or worth nothing; dollars are totals of the session', () => {
  const spent = (name: string) => {
    const meter = usageMeter()
    return named(name).events.flatMap((event) => (event.type === 'usage' ? [meter(event)] : []))
  }
  const sum = (counts: (number | null)[]) => counts.reduce<number>((all, one) => all + (one ?? 0), 0)
  const ofCopilot = spent('copilot-1.0.102.works-two-turns')
  expect(ofCopilot.length).toBe(2)
  expect(sum(ofCopilot.map(({ output }) => output))).toBe(5 * 22)
  const ofGoose = spent('goose-1.52.0.works-two-turns')
  expect(ofGoose.every(({ input, output }) => input === null && output === null)).toBe(true)
  expect(sum(ofGoose.map(({ costUsd }) => costUsd))).toBeCloseTo(0.0129, 4)
})

test('a session is taken up by its id, which the answer doesn’t tell', () => {
  const hello = goose.acp.start({ ...SPEC, resume: '20261120_1' }).hello ?? []
  expect(hello.map((frame) => (frame.via === 'stdin' ? JSON.parse(frame.line).method : ''))).toEqual([
    'initialize',
    'session/load',
  ])
  const { events } = named('goose-1.52.0.works-taken-up')
  expect(events.find(({ type }) => type === 'started')).toEqual({ type: 'started', session: '20261120_1' })
})

test('a permission is granted or refused by the options that were offered', () => {
  const [asked] = named('copilot-1.0.102.works-refused').events.filter(({ type }) => type === 'ask')
  if (asked?.type !== 'ask') throw new Error('nothing was asked')
  const said = (verdict: Parameters<typeof copilot.acp.answer>[1]) => {
    const frame = copilot.acp.answer(asked.ask, verdict, FACTS)
    return frame?.via === 'stdin' ? JSON.parse(frame.line) : null
  }
  const chosen = (optionId: string) => ({
    jsonrpc: '2.0',
    id: 0,
    result: { outcome: { outcome: 'selected', optionId } },
  })
  expect(said({ allow: true })).toEqual(chosen('allow_once'))
  expect(said({ allow: false, reason: 'No.' })).toEqual(chosen('reject_once'))
})

test('a request that is not known is refused, so that nobody waits', () => {
  const line = '{"jsonrpc":"2.0","id":3,"method":"fs/write_text_file","params":{"path":"/x"}}'
  const [asked] = copilot.acp.read(line)
  if (asked?.type !== 'ask') throw new Error('nothing was asked')
  expect(asked.ask.interactive).toBe(true)
  const frame = copilot.acp.answer(asked.ask, { allow: false, reason: 'Nobody is there.' }, FACTS)
  expect(frame?.via === 'stdin' && JSON.parse(frame.line)).toMatchObject({ id: 3, error: { code: -32601 } })
})

const FACTS = { busy: true, sequence: 1 }
const SPEC = {
  agent: 'builder-1',
  sessionId: '11111111-2222-4333-8444-555555555555',
  worktree: '/w',
  gitFolders: [],
  environment: { HOME: '/home/me' },
  privateDir: '/p',
  instructions: 'You are a builder.',
  prompt: 'Do it.',
  readOnly: false,
  root: false,
  extraArgs: [],
}
