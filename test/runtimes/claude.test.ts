import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import claude from '../../runtimes/claude.ts'
import type { Ask, SessionSpec } from '../../src/contract/runtime.ts'
import { guardVerdict } from '../../src/runner/guard.ts'
import { panes } from './recordings.ts'

const spec: SessionSpec = {
  agent: 'builder-1',
  sessionId: '11111111-2222-4333-8444-555555555555',
  worktree: '/repo/wt',
  gitFolders: [],
  environment: {},
  privateDir: '/private',
  instructions: 'Be good.',
  prompt: 'Go.',
  readOnly: false,
  root: false,
  extraArgs: [],
}

const hook = (tool: string, input: Record<string, unknown>) =>
  claude.read(
    JSON.stringify({
      type: 'control_request',
      request_id: 'r1',
      request: {
        subtype: 'hook_callback',
        callback_id: 'guard',
        input: { hook_event_name: 'PreToolUse', tool_name: tool, tool_input: input },
      },
    }),
  )[0]

function asked(tool: string, input: Record<string, unknown>): Ask {
  const event = hook(tool, input)
  if (event?.type !== 'ask') throw new Error(`no question: ${JSON.stringify(event)}`)
  return event.ask
}

/** What Claude Code is told about a tool call in this place. */
function answer(ask: Ask, readOnly = false): unknown {
  const verdict = guardVerdict(ask, { worktree: '/repo/wt', readOnly })
  const frame = claude.answer(ask, verdict)
  return JSON.parse(frame.line).response
}

test('as root, and only then, it says IS_SANDBOX=1, exactly', () => {
  expect(claude.start({ ...spec, root: true }).env).toMatchObject({ IS_SANDBOX: '1' })
  expect(claude.start(spec).env).not.toHaveProperty('IS_SANDBOX')
})

test('a fresh session gets the id the engine chose; a resumed one is taken up by its own', () => {
  expect(claude.start(spec).argv.join(' ')).toContain(`--session-id ${spec.sessionId}`)
  const resumed = claude.start({ ...spec, resume: 'abc' }).argv
  expect(resumed.join(' ')).toContain('--resume abc')
  expect(resumed).not.toContain('--session-id')
})

test('a read-only role has no tool that writes, and every role lacks the tools that wait for a person', () => {
  const without = (session: SessionSpec) => {
    const { argv } = claude.start(session)
    return (argv[argv.indexOf('--disallowedTools') + 1] ?? '').split(',')
  }
  expect(without({ ...spec, readOnly: true })).toEqual(expect.arrayContaining(['Edit', 'Write', 'NotebookEdit']))
  expect(without(spec)).not.toContain('Write')
  expect(without(spec)).toEqual(expect.arrayContaining(['AskUserQuestion', 'EnterWorktree', 'SendMessage']))
})

test('a role with a set of tools gets exactly that set', () => {
  expect(claude.start({ ...spec, tools: ['Bash', 'Read'] }).argv).toContain('--tools=Bash,Read')
  expect(claude.start(spec).argv.join(' ')).not.toContain('--tools')
})

test('a write inside the worktree has no objection; outside, or by a read-only role, it is refused with the reason', () => {
  expect(answer(asked('Write', { file_path: '/repo/wt/src/a.ts' }))).toMatchObject({ subtype: 'success', response: {} })
  const denied = (reason: RegExp) => ({
    response: {
      hookSpecificOutput: {
        hookEventName: 'PreToolUse',
        permissionDecision: 'deny',
        permissionDecisionReason: expect.stringMatching(reason),
      },
    },
  })
  for (const file_path of ['/repo/other.ts', '/repo/wt/../x', '/etc/passwd', '../x'])
    expect(answer(asked('Edit', { file_path }))).toMatchObject(denied(/outside your worktree/))
  expect(answer(asked('NotebookEdit', { notebook_path: '/elsewhere/n.ipynb' }))).toMatchObject(denied(/outside/))
  expect(answer(asked('Write', { file_path: '/repo/wt/a' }), true)).toMatchObject(denied(/read-only/))
  expect(answer(asked('AskUserQuestion', { questions: [] }))).toMatchObject(denied(/ov ask/))
})

test('a dialog that nobody can answer is refused, so that it blocks nothing', () => {
  const [event] = claude.read(
    '{"type":"control_request","request_id":"d1","request":{"subtype":"request_user_dialog","dialog":{}}}',
  )
  expect(event).toMatchObject({ type: 'ask', ask: { interactive: true } })
  if (event?.type === 'ask') expect(answer(event.ask)).toMatchObject({ subtype: 'error', request_id: 'd1' })
})

test('hooks that could not be installed fail the session: there is no work without the guard', () => {
  const refused = '{"type":"control_response","response":{"subtype":"error","request_id":"ov-hello","error":"no"}}'
  expect(claude.read(refused)).toMatchObject([{ type: 'failed' }])
  expect(claude.read(refused.replace('ov-hello', 'other'))).toEqual([])
})

test('versions that tell no usage by model are counted by the turn’s tokens and the session’s dollars', () => {
  const line = { type: 'result', subtype: 'success', is_error: false, total_cost_usd: 0.5, usage: { input_tokens: 7 } }
  expect(claude.read(JSON.stringify(line))).toMatchObject([
    { type: 'usage', scope: 'added', costScope: 'total', usage: { input: 7, output: null, costUsd: 0.5 } },
    { type: 'turn_end' },
  ])
})

test('its start-up questions are answered yes from wherever the cursor stands; a strange one is left to a person', () => {
  const shown = (what: string) => {
    const pane = panes().find((one) => one.file.endsWith(`.screen-${what}.txt`))
    if (!pane) throw new Error(`no pane ${what}`)
    return claude.screen(pane)
  }
  expect(shown('dialog-trust')).toMatchObject({ about: 'trust this folder', answer: ['Down', 'Enter'] })
  expect(shown('dialog-api-key')).toMatchObject({ answer: ['Up', 'Enter'] })
  expect(shown('dialog-bypass')).toMatchObject({ answer: ['Down', 'Enter'] })
  const older = ' Accessing workspace:\n ❯ 1. Yes, I trust this folder\n   2. No, exit\n Enter to confirm'
  expect(claude.screen({ text: older, title: '' })).toMatchObject({ answer: ['Enter'] })
  const strange = ' Delete everything?\n ❯ No\n   Yes\n Enter to confirm'
  expect(claude.screen({ text: strange, title: '' })).toMatchObject({ about: 'Delete everything?', answer: null })
})

test('what is typed and not sent is seen, over several lines', () => {
  const typed = panes().find((one) => one.file.endsWith('.screen-idle-typed.txt'))
  expect(typed && claude.screen(typed)).toEqual({ is: 'idle', typed: 'please run it\nsecond line' })
})

test('its transcript tells which prompts and tool outputs entered the context, also in the middle of a turn, and not what only waits', () => {
  const lines = readFileSync(join(import.meta.dirname, 'fixtures', 'claude-2.1.328.transcript.jsonl'), 'utf8').split(
    '\n',
  )
  const texts = lines.flatMap((line) => claude.transcript.entered(line)).filter((text) => text !== '')
  expect(texts).toEqual(['FIRST', '(Bash completed with no output)', 'STEER-MAIL'])
  expect(lines.filter((line) => line.includes('"enqueue"'))).not.toEqual([])
})

test('what a hook gave has entered the context, what it printed has not', () => {
  const line = (attachment: unknown) => JSON.stringify({ type: 'attachment', attachment })
  const given = { type: 'hook_additional_context', content: ['MAIL'], hookName: 'Stop', hookEvent: 'Stop' }
  expect(claude.transcript.entered(line(given))).toEqual(['MAIL'])
  expect(claude.transcript.entered(line({ type: 'hook_success', content: '', stdout: 'MAIL' }))).toEqual([])
})

test('its transcript tells the tokens of each request, once for all lines of it', () => {
  const line = (id: string) =>
    JSON.stringify({
      type: 'assistant',
      message: { id, model: 'm', usage: { input_tokens: 7, output_tokens: 3, cache_read_input_tokens: 2 } },
    })
  expect(claude.transcript.used(line('msg_1'))).toEqual({
    request: 'msg_1',
    event: {
      type: 'usage',
      usage: { input: 7, output: 3, cacheRead: 2, cacheWrite: null, costUsd: null, model: 'm' },
      scope: 'added',
      costScope: 'added',
    },
  })
  for (const other of ['', '{}', 'null', '{"type":"user","message":{"content":"x"}}'])
    expect(claude.transcript.used(other)).toBeNull()
})

test('its config folder is its own; of the human’s it has the login and the conversations', () => {
  const plan = claude.start({ ...spec, environment: { HOME: '/home/me', CLAUDE_CONFIG_DIR: '/cfg' } })
  const { folder } = claude.transcript.locate('abc', spec)
  expect(plan.env.CLAUDE_CONFIG_DIR).toBe(`${spec.privateDir}/claude`)
  expect(plan.links).toEqual([
    { path: 'claude/.credentials.json', to: '/cfg/.credentials.json' },
    { path: 'claude/projects', to: '/cfg/projects' },
  ])
  expect(folder).toBe(`${spec.privateDir}/claude/projects`)
  expect(claude.start({ ...spec, environment: { HOME: '/home/me' } }).links?.[1]?.to).toBe('/home/me/.claude/projects')
})
