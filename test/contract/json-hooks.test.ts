import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import claude from '../../runtimes/claude.ts'
import { answerJsonHook, hookCommand } from '../../src/contract/json-hooks.ts'
import { HOOK_EVENTS, type SessionSpec } from '../../src/contract/runtime.ts'
import { run } from '../../src/os/process.ts'

const edit = {
  hook_event_name: 'PreToolUse',
  tool_name: 'Edit',
  tool_use_id: 'toolu_1',
  tool_input: { file_path: '/elsewhere/a' },
}

describe('what a hook is told', () => {
  test('a tool that starts is told, with what its guard has to decide', () => {
    expect(claude.readHook('tool-start', edit)).toEqual([
      { type: 'ask', ask: { id: 'toolu_1', when: 'before_tool', tool: 'Edit', writes: '/elsewhere/a' } },
      {
        type: 'tool_start',
        id: 'toolu_1',
        tool: 'Edit',
        summary: '/elsewhere/a',
        input: { file_path: '/elsewhere/a' },
      },
    ])
  })

  test('a prompt is the beginning of a turn, and the proof that its text arrived', () => {
    expect(claude.readHook('prompt', { prompt: 'Go.' })).toMatchObject([
      { type: 'ask', ask: { when: 'prompt' } },
      { type: 'turn_start' },
      { type: 'accepted', text: 'Go.' },
    ])
  })

  test('a turn that a hook kept going once already does not ask again', () => {
    const payload = { last_assistant_message: 'Done.' }
    expect(claude.readHook('stop', payload).map((one) => one.type)).toEqual(['ask', 'turn_end'])
    expect(claude.readHook('stop', { ...payload, stop_hook_active: true })).toEqual([
      { type: 'turn_end', text: 'Done.' },
    ])
  })

  test('a tool that failed is told by the name of its hook', () => {
    const event = { tool_name: 'Bash', tool_use_id: 'x' }
    const ends = (name: string) => claude.readHook('tool-end', { ...event, hook_event_name: name, error: 'no' })
    expect(ends('PostToolUse')).toContainEqual({ type: 'tool_end', id: 'x', ok: true, summary: '' })
    expect(ends('PostToolUseFailure')).toContainEqual({ type: 'tool_end', id: 'x', ok: false, summary: 'no' })
  })

  test('whatever comes, it is understood or unknown, and nothing throws', () => {
    fc.assert(
      fc.property(fc.constantFrom(...HOOK_EVENTS), fc.anything(), (event, payload) => {
        expect(Array.isArray(claude.readHook(event, payload))).toBe(true)
      }),
    )
    expect(claude.readHook('stop', null)).toMatchObject([{ type: 'unknown' }])
  })
})

describe('what a hook answers', () => {
  test('nothing to say is nothing printed', () => {
    for (const event of HOOK_EVENTS)
      expect(claude.answerHook(event, { allow: true })).toEqual({
        stdout: event === 'tool-start' ? '{}\n' : '',
        stderr: '',
        exit: 0,
      })
  })

  test('a refused tool, mail after a tool, and a turn that goes on, each in its form', () => {
    const said = (...asked: Parameters<typeof claude.answerHook>) => JSON.parse(claude.answerHook(...asked).stdout)
    expect(said('tool-start', { allow: false, reason: 'no' })).toEqual({
      hookSpecificOutput: {
        hookEventName: 'PreToolUse',
        permissionDecision: 'deny',
        permissionDecisionReason: 'no',
      },
    })
    expect(said('tool-end', { allow: true, context: 'mail' })).toEqual({
      hookSpecificOutput: { hookEventName: 'PostToolUse', additionalContext: 'mail' },
    })
    expect(said('stop', { allow: false, reason: 'mail' })).toEqual({
      hookSpecificOutput: { hookEventName: 'Stop', additionalContext: 'mail' },
    })
    expect(JSON.parse(answerJsonHook('stop', { allow: false, reason: 'mail' }).stdout)).toEqual({
      decision: 'block',
      reason: 'mail',
    })
  })
})

describe('the settings', () => {
  const spec: SessionSpec = {
    agent: 'a',
    sessionId: 's',
    worktree: '/w',
    privateDir: '/p',
    gitFolders: [],
    environment: {},
    instructions: '',
    prompt: '',
    readOnly: false,
    root: false,
    extraArgs: [],
  }

  test('a session that reports by its protocol gets none', () => {
    expect(claude.deployHooks(spec)).toEqual([])
  })

  test('every moment has one call, and every tool is matched once', () => {
    const [file] = claude.deployHooks({ ...spec, hook: '/p/bin/ov-hook' })
    const { hooks } = JSON.parse(file?.content ?? '')
    expect(Object.keys(hooks)).toEqual([
      'SessionStart',
      'UserPromptSubmit',
      'PreToolUse',
      'PostToolUse',
      'PostToolUseFailure',
      'Stop',
      'SessionEnd',
      'Notification',
      'PreCompact',
    ])
    for (const tool of ['Bash', 'Edit', 'Write', 'NotebookEdit', 'mcp__x__Edit', 'EditAll', 'AskUserQuestion'])
      expect(hooks.PreToolUse.filter((one: { matcher: string }) => new RegExp(one.matcher).test(tool))).toHaveLength(1)
  })

  test('a path with quotes and spaces stays one word of the shell', () => {
    expect(hookCommand("/it's here/ov-hook", 'stop')).toBe("'/it'\\''s here/ov-hook' stop")
  })

  test.each([
    ['an answer', 'echo "{\\"a\\":1}"', { code: 0, stdout: '{"a":1}\n' }],
    ['a refusal', 'echo why >&2; exit 2', { code: 2, stdout: '' }],
    ['an error', 'exit 1', { code: 2, stdout: '' }],
    ['silence', 'exit 0', { code: 2, stdout: '' }],
    ['garbage', 'echo "}{"', { code: 2, stdout: '' }],
    ['a script that is not there', null, { code: 2, stdout: '' }],
  ])('what a guard comes to by %s', async (_, script, expected) => {
    const folder = mkdtempSync(join(tmpdir(), 'ov guard '))
    const hook = join(folder, 'ov-hook')
    if (script !== null)
      writeFileSync(hook, `#!/bin/sh\n[ "$*" = "tool-start guard" ] || exit 9\n${script}\n`, { mode: 0o755 })
    const { code, stdout } = await run(['sh', '-c', hookCommand(hook, 'tool-start', { guard: true })])
    expect({ code, stdout }).toEqual(expected)
    rmSync(folder, { recursive: true })
  })
})
