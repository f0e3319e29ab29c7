import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AgentEvent, AgentRuntime, LaunchPlan, SessionSpec } from '../../src/contract/runtime.ts'
import { usageMeter } from '../../src/spend/meter.ts'
import { agentEvent } from './event-schema.ts'
import { panes, recordings, USED } from './recordings.ts'

/** What every adapter must keep, whatever CLI it is for. */

const ALL = recordings()
const PANES = panes()

const spec: SessionSpec = {
  agent: 'builder-1',
  sessionId: '11111111-2222-4333-8444-555555555555',
  worktree: '/work tree/ä',
  gitFolders: ['/repo/.git/objects', '/repo/.git/refs/heads/ov/run-1'],
  environment: { HOME: '/home/me' },
  privateDir: '/private dir',
  instructions: 'You are a builder.\n',
  prompt: 'Do it.',
  command: 'true',
  readOnly: false,
  root: false,
  extraArgs: ['--extra', 'a b'],
}

/** Prompts that a shell, an argument parser or a line protocol would trip over. */
const PROMPTS = {
  'with quotes and a shell’s words': `it's "quoted" $(touch /tmp/x) \`id\` ; rm -rf / && echo $HOME \\`,
  'of many lines': 'one\ntwo\r\n\n\tthree\n',
  'with emoji and other scripts': '🚀 日本語 עברית \u2028 e\u0301',
  'that begins with a dash': '--help -p --version',
  'that begins with a slash': '/compact now',
  'that is JSON itself': '{"type":"result","is_error":false}\n{"type":"user"}',
  'of a megabyte': 'x'.repeat(1024 * 1024),
}

/** @param loaded the adapter; loaded once, before the first test */
export function conforms(id: string, loaded: Promise<AgentRuntime>): void {
  describe(id, () => {
    const mine = ALL.filter((one) => one.runtime === id)
    const ofEvents = mine.filter((one) => !one.isText)

    test('describes itself in full', async () => {
      const runtime = await loaded
      expect(runtime.id).toBe(id)
      expect(runtime.title).not.toBe('')
      expect(runtime.install).not.toBe('')
      expect(runtime.login.hint).not.toBe('')
      for (const binary of runtime.binaries) expect(binary).toMatch(/^[a-z][a-z0-9-]*$/)
      for (const name of [...runtime.environment, ...runtime.login.env]) expect(name).toMatch(/^[A-Z][A-Z0-9_]*\*?$/)
      for (const file of runtime.login.files) expect(file).not.toMatch(/^\/|\.\./)
      expect(runtime.can.structured !== false || runtime.can.interactive).toBe(true)
    })

    test('has recordings of every version it was certified with', async () => {
      const { certified } = await loaded
      for (const version of certified) {
        const versions = mine.filter((one) => one.version === version)
        expect(versions.some((one) => one.fails === null)).toBe(true)
        expect(versions.some((one) => one.fails !== null)).toBe(true)
      }
      // One that is certified with nothing was written from recordings and documents alone.
      if (certified.length > 0) for (const one of mine) expect(certified).toContain(one.version)
    })

    test('plans are plain data: an argv of strings without NUL, files that stay in the private folder, the same each time', async () => {
      const runtime = await loaded
      for (const session of [
        spec,
        { ...spec, resume: 'abc-123', model: 'some-model', readOnly: true, root: true },
        { ...spec, feedbackFile: '/private dir/feedback.md' },
      ]) {
        const plan = runtime.start(session)
        expect(plan.protocol).toBe(runtime.can.structured)
        expect(plan).toEqual(JSON.parse(JSON.stringify(plan)))
        expect(runtime.start(session)).toEqual(plan)
        expect(plan.argv.length).toBeGreaterThan(0)
        for (const argument of plan.argv) expect(argument).not.toContain('\0')
        if (runtime.binaries.length > 0) expect(runtime.binaries).toContain(plan.argv[0])
        for (const file of [...plan.files, ...runtime.deployHooks(session)])
          expect(file.path).toMatch(/^(?!.*\.\.)[A-Za-z0-9.][A-Za-z0-9._/-]*$/)
        for (const name of Object.keys(plan.env)) expect(name).toMatch(/^[A-Z][A-Z0-9_]*$/)
      }
    })

    test('standing instructions of any length reach the CLI, and no argument comes near the limit of 128 KiB', async () => {
      const runtime = await loaded
      if (!runtime.can.prompts) return
      const instructions = `Begin ${'i'.repeat(300_000)} end`
      const plan = runtime.start({ ...spec, instructions })
      expect(carried(plan).some((text) => text.includes(instructions))).toBe(true)
      for (const argument of plan.argv) expect(Buffer.byteLength(argument)).toBeLessThan(100_000)
    })

    test.each(Object.entries(PROMPTS))('a prompt %s reaches the CLI exactly as written', async (_, prompt) => {
      const runtime = await loaded
      if (!runtime.can.prompts) return
      const plan = runtime.start({ ...spec, prompt })
      if (plan.firstPrompt === 'included') expect(carried(plan).some((text) => text.includes(prompt))).toBe(true)
      else expect(framed(runtime, prompt)).toContain(prompt)
      for (const argument of plan.argv) expect(Buffer.byteLength(argument)).toBeLessThan(100_000)
      const oneShot = runtime.getPromptCommand(prompt, { privateDir: spec.privateDir })
      const words = oneShot === null ? [prompt] : [...oneShot.argv, oneShot.stdin ?? '']
      expect(words.some((text) => text.includes(prompt))).toBe(true)
    })

    test.each(mine.filter((one) => one.fails === null))('understands every line of $file', async ({ file, lines }) => {
      const events = told(await loaded, lines)
      expect(events.filter((event) => event.type === 'unknown')).toEqual([])
      expect(events.filter((event) => event.type === 'failed')).toEqual([])
      expect(events.some((event) => event.type === 'turn_end')).toBe(true)
      expect(used(events), file).toEqual(USED[file])
    })

    test.each(mine.filter((one) => one.fails !== null))('$file ends in its one cause', async ({ fails, lines }) => {
      const events = told(await loaded, lines)
      expect(events.filter((event) => event.type === 'unknown')).toEqual([])
      const ends = events.filter((event) => event.type === 'failed' || event.type === 'turn_end')
      // A server says that a turn failed and that it is idle, and not always once: its driver takes the first.
      const heard = (await loaded).can.structured === 'serve' ? ends.slice(0, 1) : ends
      expect(heard).toMatchObject([{ type: 'failed', cause: fails }])
    })

    test('each tool that ends has begun', async () => {
      const runtime = await loaded
      for (const { lines } of mine) {
        const begun = new Set<string>()
        for (const event of readAll(runtime, lines)) {
          if (event.type === 'tool_start') begun.add(event.id)
          if (event.type === 'tool_end') expect(begun).toContain(event.id)
        }
      }
    })

    test('every question gets an answer that is one line of plain data, whatever the verdict', async () => {
      const runtime = await loaded
      const facts = { busy: true, sequence: 7 }
      for (const event of mine.flatMap((one) => readAll(runtime, one.lines))) {
        if (event.type !== 'ask') continue
        for (const verdict of [
          { allow: true },
          { allow: true, context: 'Mail\nhere' },
          { allow: false, reason: 'No\n"quoted"' },
        ] as const) {
          const frame = runtime.answer(event.ask, verdict, facts)
          expect(frame).not.toBeNull()
          if (frame?.via === 'stdin') expect(frame.line).not.toContain('\n')
        }
      }
    })

    test('no line makes it throw, and what it says is always in the vocabulary', async () => {
      const runtime = await loaded
      for (const line of GARBAGE) wellFormed(runtime.read(line))
      fc.assert(fc.property(fc.string({ unit: 'binary' }), (line) => wellFormed(runtime.read(line))))
      fc.assert(fc.property(fc.json(), (line) => wellFormed(runtime.read(line))))
      for (const line of GARBAGE) expect(runtime.transcript?.entered(line) ?? []).toEqual([])
    })

    test('a line that is cut off or bent is unknown or still itself, never an exception', async () => {
      const runtime = await loaded
      const lines = [...new Set(ofEvents.flatMap((one) => one.lines))]
      if (lines.length === 0) return
      const bentLine = fc.constantFrom(...lines).chain((line) => fc.oneof(truncated(line), bent(line)))
      fc.assert(
        fc.property(bentLine, (line) => wellFormed(runtime.read(line))),
        { numRuns: 400 },
      )
    })

    test('a line cut in the middle says nothing but that it is unknown', async () => {
      const runtime = await loaded
      for (const line of new Set(ofEvents.flatMap((one) => one.lines)))
        expect(runtime.read(line.slice(0, Math.floor(line.length / 2)))).toMatchObject([{ type: 'unknown' }])
    })

    test('however the process ends, one event says why', async () => {
      const runtime = await loaded
      for (const [code, signal] of [
        [0, null],
        [1, null],
        [137, null],
        [null, 'SIGKILL'],
        [null, 'SIGTERM'],
      ] as const) {
        const events = runtime.exited({ code, signal, stderrTail: 'Oh no\n', stdoutTail: 'out\n', collected: {} })
        wellFormed(events)
        expect(events.filter((event) => event.type === 'turn_end' || event.type === 'failed')).toHaveLength(1)
      }
    })

    test.each(PANES.filter((one) => one.runtime === id))('sees what $file shows', async ({ is, title, text }) => {
      expect((await loaded).screen({ title, text }).is).toBe(is)
    })

    test('a pane of anything is read without an exception', async () => {
      const runtime = await loaded
      fc.assert(
        fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, title) => {
          expect(['loading', 'dialog', 'idle', 'busy', 'unknown']).toContain(runtime.screen({ text, title }).is)
        }),
      )
    })
  })
}

/** Everything by which a launch carries text to the CLI. */
function carried(plan: LaunchPlan): string[] {
  const hello = (plan.hello ?? []).flatMap((frame) => (frame.via === 'stdin' ? strings(JSON.parse(frame.line)) : []))
  const stdin = plan.stdin ?? ''
  return [...plan.argv, stdin, ...strings(jsonOrNull(stdin)), ...plan.files.map((file) => file.content), ...hello]
}

/** Some CLIs take a prompt on stdin as JSON, others as it is. */
function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Plain text.
    return null
  }
}

/** The strings in a prompt's frame, after it went over the line. */
function framed(runtime: AgentRuntime, prompt: string): string[] {
  const input = runtime.sendInput(prompt, { session: 'abc', busy: false, sequence: 1 })
  if (input.by === 'paste') return [input.text]
  if (input.frame.via === 'http') return strings(input.frame.body)
  expect(input.frame.line).not.toContain('\n')
  return strings(JSON.parse(input.frame.line))
}

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : []
}

function readAll(runtime: AgentRuntime, lines: readonly string[]): AgentEvent[] {
  return lines.flatMap((line) => {
    const events = runtime.read(line)
    wellFormed(events)
    return events
  })
}

/**
 * What a recorded session tells. With a process a turn the engine takes a turn for failed however its end is put, and for
 * ended with its process, where no line says so.
 */
function told(runtime: AgentRuntime, lines: readonly string[]): AgentEvent[] {
  const events = readAll(runtime, lines)
  if (runtime.can.structured !== 'turn') return events
  if (events.some((event) => event.type === 'failed')) return events.filter((event) => event.type !== 'turn_end')
  if (events.some((event) => event.type === 'turn_end')) return events
  const stdoutTail = lines.join('\n').slice(-4096)
  return [...events, ...runtime.exited({ code: 0, signal: null, stdoutTail, stderrTail: '', collected: {} })]
}

function wellFormed(events: readonly AgentEvent[]): void {
  for (const event of events) expect(agentEvent.safeParse(event).error).toBeUndefined()
}

/** All that a session used, as the engine counts it. */
function used(events: readonly AgentEvent[]): Record<string, number> {
  const meter = usageMeter()
  const sum = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, costUsd: 0 }
  for (const event of events) {
    if (event.type !== 'usage') continue
    const added = meter(event)
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += added[key] ?? 0
  }
  return { ...sum, costUsd: Number(sum.costUsd.toFixed(6)) }
}

const GARBAGE = [
  '',
  ' ',
  'null',
  '42',
  '"text"',
  '[]',
  '[[[[]]]]',
  '{}',
  '{"type":null}',
  '{"type":"__proto__"}',
  '{"type":"constructor"}',
  '{"__proto__":{"type":"result"}}',
  '{"type":"result","__proto__":null,"constructor":{"prototype":1}}',
  '{"type":{"toString":1}}',
  `{"type":"${'x'.repeat(100_000)}"}`,
  `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  '\u0000\u001b[31m\ufeff',
  'Error: something went wrong',
]

function truncated(line: string): fc.Arbitrary<string> {
  return fc.nat({ max: line.length }).map((at) => line.slice(0, at))
}

/** The line with one of its values replaced by something it should never be. */
function bent(line: string): fc.Arbitrary<string> {
  const value: unknown = JSON.parse(line)
  const paths = pathsOf(value)
  return fc
    .tuple(fc.constantFrom(...paths), fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 1e308, '__proto__', [[]], {})))
    .map(([path, other]) => JSON.stringify(replaced(value, path, other)))
}

function pathsOf(value: unknown): string[][] {
  if (typeof value !== 'object' || value === null) return [[]]
  return [[], ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner).map((path) => [key, ...path]))]
}

function replaced(value: unknown, [key, ...rest]: readonly string[], other: unknown): unknown {
  if (key === undefined) return other
  if (Array.isArray(value)) return value.map((inner, at) => (String(at) === key ? replaced(inner, rest, other) : inner))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, name === key ? replaced(inner, rest, other) : inner]),
  )
}
