import { expect, test } from 'vitest'
import copilot from '../../runtimes/copilot.ts'

const metrics = (input: number, cached: number) => ({
  usage: { inputTokens: input, outputTokens: 10, cacheReadTokens: cached, cacheWriteTokens: 0 },
})

const ended = { code: 0, signal: null, stderrTail: '', stdoutTail: '' }

test('its file of usage is the session’s total over all models, what came from a cache told apart', () => {
  const collected = {
    'copilot-usage.json': JSON.stringify({ modelMetrics: { a: metrics(1200, 800), b: metrics(100, 0) } }),
  }
  expect(copilot.exited({ ...ended, collected })[0]).toEqual({
    type: 'usage',
    usage: { input: 500, output: 20, cacheRead: 800, cacheWrite: 0, costUsd: null },
    scope: 'total',
    costScope: 'total',
  })
  expect(copilot.exited({ ...ended, collected: { 'copilot-usage.json': '{"modelMetrics":{"a":' } })).toHaveLength(1)
})

test('its hooks say which files a patch touches, and mail goes back in the shape it knows', () => {
  const patch =
    '*** Begin Patch\n*** Add File: a.txt\n+x\n*** Update File: b.txt\n*** Move to: ../c.txt\n*** End Patch\n'
  const [asked] = copilot.readHook('tool-start', { tool_name: 'Edit', tool_input: patch })
  expect(asked).toMatchObject({ type: 'ask', ask: { tool: 'Edit', writes: ['a.txt', 'b.txt', '../c.txt'] } })
  const [nothing] = copilot.readHook('tool-start', { tool_name: 'Edit', tool_input: 'no patch' })
  expect(nothing).toMatchObject({ type: 'ask', ask: { tool: 'Edit' } })
  expect(nothing).not.toHaveProperty('ask.writes')
  const { stdout } = copilot.answerHook('tool-end', { allow: true, context: 'Mail' })
  expect(JSON.parse(stdout)).toEqual({ additionalContext: 'Mail' })
  const refused = copilot.answerHook('tool-start', { allow: false, reason: 'No' })
  expect(JSON.parse(refused.stdout)).toMatchObject({ hookSpecificOutput: { permissionDecision: 'deny' } })
})

test('what a hook gave with a tool’s result has entered the context', () => {
  const content = 'one\n\nTool "bash" succeeded. Additional guidance from postToolUse hooks:\n<ov-mail id=7>'
  const data = { toolCallId: 'c', success: true, result: { content } }
  expect(copilot.read(JSON.stringify({ type: 'tool.execution_complete', data }))).toMatchObject([
    { type: 'tool_end', ok: true },
    { type: 'accepted', text: '<ov-mail id=7>' },
  ])
})

test('a command that failed is told by its exit code, and a request’s tokens by the conversation’s file, once', () => {
  const payload = { hook_event_name: 'PostToolUse', tool_name: 'Bash', tool_input: { command: 'false' } }
  const ended = (text: string) =>
    copilot.readHook('tool-end', { ...payload, tool_result: { text_result_for_llm: text } })
  expect(ended('x\n<shellId: 0 completed with exit code 3>')[1]).toMatchObject({ type: 'tool_end', ok: false })
  expect(ended('x\n<shellId: 0 completed with exit code 0>')[1]).toMatchObject({ type: 'tool_end', ok: true })
  const usage = { ...metrics(1200, 800).usage, model: 'm', accounting: { usageId: 'chatcmpl-1' } }
  expect(copilot.transcript.used(JSON.stringify({ type: 'session.usage_record', data: { usage } }))).toEqual({
    request: 'chatcmpl-1',
    event: {
      type: 'usage',
      usage: { input: 400, output: 10, cacheRead: 800, cacheWrite: 0, costUsd: null, model: 'm' },
      scope: 'added',
      costScope: 'added',
    },
  })
})

test('only its guard can refuse: what merely records never fails, and nothing is recorded twice', () => {
  const session = {
    agent: 'builder-1',
    sessionId: '11111111-2222-4333-8444-555555555555',
    worktree: '/w',
    gitFolders: [],
    environment: {},
    privateDir: '/p',
    hook: '/p/bin/ov-hook',
    instructions: '',
    prompt: '',
    readOnly: false,
    root: false,
    extraArgs: [],
  }
  const before = (spec: Parameters<typeof copilot.deployHooks>[0]) => {
    const file = copilot.deployHooks(spec).find(({ path }) => path.endsWith('/hooks.json'))
    const groups: { hooks: { command: string }[] }[] = JSON.parse(file?.content ?? '{}').hooks.PreToolUse
    return groups.flatMap(({ hooks }) => hooks.map(({ command }) => command))
  }
  const guard = expect.stringMatching(/'\/p\/bin\/ov-hook' tool-start guard.*\|\| exit 2$/)
  expect(before(session)).toEqual([guard])
  expect(before({ ...session, interactive: { repository: '/r' } })).toEqual([
    guard,
    "'/p/bin/ov-hook' tool-start || exit 0",
  ])
})
