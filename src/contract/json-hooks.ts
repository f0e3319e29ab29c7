import * as z from 'zod'
import type { AgentEvent, Ask, HookEvent, HookOutput, Verdict } from './runtime.ts'

/**
 * The JSON dialect of hooks that Claude Code began and Codex speaks too: settings that name commands, a JSON object on
 * a command's stdin, and an answer by JSON on stdout or by exit code 2. Pure, for adapters.
 */

/** What the dialect calls each moment. A tool that failed has a name of its own. */
const NAMES = {
  'session-start': ['SessionStart'],
  prompt: ['UserPromptSubmit'],
  'tool-start': ['PreToolUse'],
  'tool-end': ['PostToolUse', 'PostToolUseFailure'],
  stop: ['Stop'],
  'session-end': ['SessionEnd'],
  notification: ['Notification'],
  compact: ['PreCompact'],
} as const satisfies Record<HookEvent, readonly string[]>

/** Which calls of a hook a runtime is told to make. */
export interface WantedHooks {
  /** Absolute path of `ov-hook`. */
  readonly hook: string
  /** Moments this CLI knows; without it, all of them. */
  readonly events?: readonly HookEvent[]
  /** Matches the tools that must not run without a verdict. */
  readonly guarded: string
  /** Matches all other tools: no tool by both, or two processes would be started for it. */
  readonly unguarded: string
}

/** Longest that a CLI waits for a hook, in seconds. A call that asks gives up before that, so that the refusal is heard. */
const PATIENCE_S = 60

/** A guard that has not answered by then is broken: `ov-hook` itself gives up sooner, the CLI waits longer. In seconds. */
const GUARD_S = 30

/**
 * The command line a CLI's shell is to run. The guard of a tool fails closed, whatever the CLI makes of a broken one: when
 * `ov-hook` is gone, fails, takes too long or says what is no answer (a JSON object), the exit code is 2, which refuses.
 */
export function hookCommand(hook: string, event: HookEvent, { guard = false } = {}): string {
  const command = `'${hook.replaceAll("'", "'\\''")}' ${event}`
  if (!guard) return command
  // Not every machine has `timeout`.
  const timed = `limit=$(command -v timeout); said=$(\${limit:+"$limit" ${GUARD_S}} ${command} guard)`
  return `${timed} && case "$said" in "{"*"}") printf '%s\\n' "$said";; *) exit 2;; esac || exit 2`
}

/** The `hooks` part of the settings. */
export function hookSettings(wanted: WantedHooks): { readonly hooks: Readonly<Record<string, unknown>> } {
  const call = (event: HookEvent, guard = false) => [
    { type: 'command', command: hookCommand(wanted.hook, event, { guard }), timeout: PATIENCE_S },
  ]
  const groups = (event: HookEvent) =>
    event === 'tool-start'
      ? [
          { matcher: wanted.guarded, hooks: call(event, true) },
          { matcher: wanted.unguarded, hooks: call(event) },
        ]
      : [{ hooks: call(event) }]
  const events = wanted.events ?? (Object.keys(NAMES) as HookEvent[])
  return {
    hooks: Object.fromEntries(events.flatMap((event) => NAMES[event].map((name) => [name, groups(event)]))),
  }
}

const payloadSchema = z.looseObject({
  hook_event_name: z.string().optional(),
  session_id: z.string().optional(),
  model: z.string().optional(),
  prompt: z.string().optional(),
  tool_name: z.string().optional(),
  tool_use_id: z.string().optional(),
  tool_input: z.record(z.string(), z.unknown()).optional().catch(undefined),
  tool_response: z.unknown().optional(),
  error: z.unknown().optional(),
  stop_hook_active: z.boolean().optional(),
  last_assistant_message: z.string().nullish(),
  message: z.string().optional(),
  notification_type: z.string().optional(),
})

/** What a runtime knows of its own tools. */
export interface ToolFacts {
  /** What a call is about, for people. */
  aim(tool: string, input: Readonly<Record<string, unknown>>): string
  /** What the guard has to know of a call. */
  guard(tool: string, input: Readonly<Record<string, unknown>>): Pick<Ask, 'writes' | 'interactive'>
}

/** The meaning of a call, for `AgentRuntime.readHook`. */
export function readJsonHook(event: HookEvent, payload: unknown, tools: ToolFacts): readonly AgentEvent[] {
  const parsed = payloadSchema.safeParse(payload)
  if (!parsed.success) return [{ type: 'unknown', line: textOf(payload) }]
  const { data } = parsed
  const id = data.tool_use_id ?? ''
  const tool = data.tool_name ?? ''
  switch (event) {
    case 'session-start':
      return [
        {
          type: 'started',
          ...(data.session_id === undefined ? {} : { session: data.session_id }),
          ...(data.model === undefined ? {} : { model: data.model }),
        },
      ]
    case 'prompt':
      return [
        { type: 'ask', ask: { id, when: 'prompt' } },
        { type: 'turn_start' },
        { type: 'accepted', text: data.prompt ?? '' },
      ]
    case 'tool-start': {
      const input = data.tool_input ?? {}
      const ask: Ask = { id, when: 'before_tool', tool, ...tools.guard(tool, input) }
      return [
        { type: 'ask', ask },
        { type: 'tool_start', id, tool, summary: tools.aim(tool, input), input },
      ]
    }
    case 'tool-end': {
      const ok = data.hook_event_name !== 'PostToolUseFailure'
      const summary = textOf(ok ? data.tool_response : data.error)
      return [
        { type: 'ask', ask: { id, when: 'after_tool', tool } },
        { type: 'tool_end', id, ok, summary },
      ]
    }
    case 'stop': {
      const text = data.last_assistant_message
      const end: AgentEvent = { type: 'turn_end', ...(text == null || text === '' ? {} : { text }) }
      // A turn that a hook has kept going once already ends: what more there is begins a turn of its own.
      return data.stop_hook_active ? [end] : [{ type: 'ask', ask: { id, when: 'stop' } }, end]
    }
    case 'notification': {
      const why = NOTICES.get(data.notification_type ?? '')
      return why === undefined ? [] : [{ type: 'waiting', why, message: data.message ?? '' }]
    }
    case 'session-end':
    case 'compact':
      return []
  }
}

const NOTICES = new Map<string, 'permission' | 'input'>([
  ['permission_prompt', 'permission'],
  ['elicitation_dialog', 'input'],
])

/** The JSON that says a verdict; an empty object has no objection. `name` is the CLI's own name of the moment. */
export function verdictJson(name: string, verdict: Verdict): Readonly<Record<string, unknown>> {
  if (verdict.allow)
    return verdict.context === undefined
      ? {}
      : { hookSpecificOutput: { hookEventName: name, additionalContext: verdict.context } }
  return name === 'PreToolUse'
    ? {
        hookSpecificOutput: {
          hookEventName: name,
          permissionDecision: 'deny',
          permissionDecisionReason: verdict.reason,
        },
      }
    : { decision: 'block', reason: verdict.reason }
}

/** For `AgentRuntime.answerHook`. Nothing is printed where there is nothing to say; but a guard's silence is no answer. */
export function answerJsonHook(event: HookEvent, verdict: Verdict): HookOutput {
  const quiet = verdict.allow && verdict.context === undefined && event !== 'tool-start'
  const stdout = quiet ? '' : `${JSON.stringify(verdictJson(NAMES[event][0], verdict))}\n`
  return { stdout, stderr: '', exit: 0 }
}

const printedSchema = z.looseObject({ stdout: z.string(), stderr: z.string().default('') })

/** Any value as text of at most a thousand characters, for people: of a shell's answer what it printed. */
function textOf(value: unknown): string {
  const printed = printedSchema.safeParse(value)
  if (printed.success) return `${printed.data.stdout}\n${printed.data.stderr}`.trim().slice(0, 1000)
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return text.slice(0, 1000)
}
