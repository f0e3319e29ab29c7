import * as z from 'zod'
import { recordFor } from '../agents/record.ts'
import type { Agent } from '../agents/store.ts'
import {
  type AgentEvent,
  type AgentRuntime,
  type Ask,
  HOOK_EVENTS,
  type HookEvent,
  type HookOutput,
  type Verdict,
} from '../contract/runtime.ts'
import { OvError } from '../errors.ts'
import { hookFolder } from '../hooks/folder.ts'
import { remark } from '../hooks/remark.ts'
import { type Call, objectIn, openSpool } from '../hooks/spool.ts'
import { type Reading, takeIn } from '../hooks/take-in.ts'
import { oneLine } from '../mail/frame.ts'
import { watchFolder } from '../os/files.ts'
import type { Project } from '../project.ts'
import { guardVerdict } from './guard.ts'
import type { Handover } from './handover.ts'
import { noting } from './notes.ts'
import type { Workplace } from './workplace.ts'

/** The runner's side of an agent's hooks: what they record is taken in, and those that ask are answered. */
export interface Hooks {
  /** Absolute path of the agent's `ov-hook`. */
  readonly program: string
  /** Answers a hook that asks, by the broker. Throwing means no answer: a guard then refuses, all else goes on. */
  answer(input: unknown): Promise<HookOutput>
  /** To be called on every tick: takes in what no watch told of, looks after mail handed over, makes lost markers. */
  tick(): Promise<void>
  /** Takes in what is left, and ends the watching. For an agent that ends. */
  close(): Promise<void>
}

export interface HooksOptions {
  readonly project: Pick<Project, 'db' | 'clock' | 'stateDir'>
  readonly agent: Agent
  readonly runtime: AgentRuntime
  readonly place: Pick<Workplace, 'privateDir' | 'worktree' | 'redact'>
  readonly readOnly: boolean
  readonly handover: Handover
  /**
   * Is given what the hooks report, in order, except questions: those are answered here. What belongs into the records
   * is recorded already, exactly once; this is for acting on it, and a runner that is killed never acts, nor does the next
   * one for it: what it left is of a CLI that is gone. Null where the CLI's protocol tells the same: then the hooks only
   * ask.
   */
  readonly emit: ((event: AgentEvent) => void) | null
}

/** The broker's operation `hook`. */
const questionSchema = z.strictObject({
  event: z.enum(HOOK_EVENTS),
  /** Name of the call's file; empty where it could not be recorded. */
  call: z.string(),
  payload: z.string(),
})

/** Several calls come at once; each batch is a transaction. */
const GATHER_MS = 5
/** A call that was still being written is looked at again. */
const AGAIN_MS = 20
/** A hook that asks is killed by its CLI before this; then what it said holds without an answer. */
const UNASKED_MS = 90_000

/**
 * Opens the spool of an agent whose runtime has hooks, and watches it.
 *
 * A call that asks is recorded like any other, but acted on when it is answered: a tool that is refused has not begun,
 * a turn that is kept going by mail has not ended.
 */
export function openHooks(options: HooksOptions): Hooks {
  const { project, agent, runtime, place, handover, emit } = options
  const folder = hookFolder(place.privateDir)
  const spool = openSpool(folder, project.clock)
  const noteOf = noting(place.redact)
  /** Calls of the CLI of an earlier runner: the end of its turn is not the end of the one that is to come. */
  const former = spool.look().present
  /** Calls that ask and have not been answered. */
  const held = new Map<string, { readonly events: readonly AgentEvent[]; readonly since: number }>()
  let last: Promise<unknown> = Promise.resolve()
  let soon: NodeJS.Timeout | undefined
  let closed = false

  const reading = (call: Call): Reading => {
    const { payload } = call
    if (payload.is === 'broken') {
      const line = payload.text
      const data = { hook: call.event, why: payload.why, text: place.redact(oneLine(line, 200)) }
      return { events: [{ type: 'unknown', line }], notes: [{ type: 'hook.unreadable', data }] }
    }
    const events = runtime.readHook?.(call.event, payload.value) ?? []
    return { events, notes: emit === null ? [] : events.flatMap((event) => noteOf(event) ?? []) }
  }

  const act = (events: readonly AgentEvent[]) => {
    for (const event of events) if (event.type !== 'ask') emit?.(event)
  }

  const take = async (): Promise<void> => {
    for (;;) {
      const { taken, more, unfinished } = await takeIn({ project, agent, spool, reading })
      for (const { call, events } of taken) {
        if (former.has(call.name)) continue
        if (call.asks && events.some(({ type }) => type === 'ask'))
          held.set(call.name, { events, since: project.clock.monotonic() })
        else act(events)
      }
      // Whatever a hook was given stands in the transcript by the time of the next call.
      if (taken.length > 0 && handover.underway) {
        await handover.seen()
        // More may wait than was handed over at once, and could not be before that had arrived.
        await remark(project.db, project.stateDir, agent.id)
      }
      if (unfinished) gather(AGAIN_MS)
      if (!more) return
    }
  }

  /** One at a time; the next begins however this one ends. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work)
    last = result.catch(() => undefined)
    return result
  }

  const gather = (ms: number) => {
    if (closed) return
    soon ??= setTimeout(() => {
      soon = undefined
      // What went wrong goes wrong for the next tick too, which is told.
      inTurn(take).catch(() => undefined)
    }, ms)
  }

  const unwatch = watchFolder(folder.spool, () => gather(GATHER_MS))
  // What an earlier runner left.
  gather(0)

  const verdictOn = async (ask: Ask): Promise<Verdict> => {
    switch (ask.when) {
      case 'before_tool':
        // Only guarded tools ask. One that says nothing the guard can look at may be a later version's, and is refused.
        if (ask.writes === undefined && ask.interactive !== true)
          return { allow: false, reason: `${ask.tool || 'It'} does not say which file it writes, so it is refused.` }
        return guardVerdict(ask, { worktree: place.worktree, readOnly: options.readOnly })
      case 'after_tool': {
        let context: string | undefined
        await handover.urgent((text) => {
          context = text
          return true
        })
        return { allow: true, ...(context === undefined ? {} : { context }) }
      }
      case 'prompt': {
        const context = await handover.nextPrompt()
        return { allow: true, ...(context === null ? {} : { context }) }
      }
      case 'stop': {
        const reason = await handover.nextPrompt()
        return reason === null ? { allow: true } : { allow: false, reason }
      }
    }
  }

  return {
    program: folder.program,
    async answer(input) {
      const question = questionSchema.parse(input)
      // In order: what happened before the question is known before it is answered.
      await inTurn(take)
      const events = runtime.readHook?.(question.event, objectIn(question.payload)) ?? []
      const ask = events.find((event) => event.type === 'ask')?.ask
      if (ask === undefined) {
        if (question.event === 'tool-start')
          throw new OvError('failed', 'hook.unreadable', 'What the tool is about to do could not be read.')
        return NOTHING
      }
      let verdict: Verdict
      try {
        verdict = await verdictOn(ask)
      } catch (error) {
        // Without an answer a guarded tool is refused, and anything else takes its course.
        held.delete(question.call)
        if (ask.when !== 'before_tool') act(events)
        throw error
      }
      held.delete(question.call)
      act(verdict.allow ? events : events.filter((event) => event.type !== 'turn_end'))
      if (!verdict.allow && ask.when === 'before_tool') {
        const data = { tool: ask.tool ?? '', reason: place.redact(oneLine(verdict.reason, 300)) }
        await recordFor(project.db, agent, project.clock.now(), 'tool.refused', data)
        emit?.({ type: 'tool_end', id: ask.id, ok: false, summary: `Refused: ${verdict.reason}` })
      }
      return runtime.answerHook?.(question.event, verdict) ?? inExitCode(question.event, verdict)
    },
    async tick() {
      await inTurn(take)
      const now = project.clock.monotonic()
      for (const [name, { events, since }] of held) {
        if (now - since < UNASKED_MS) continue
        held.delete(name)
        act(events)
      }
      if (handover.underway) await handover.seen()
      await remark(project.db, project.stateDir, agent.id)
    },
    async close() {
      closed = true
      unwatch()
      clearTimeout(soon)
      await inTurn(take)
    },
  }
}

const NOTHING: HookOutput = { stdout: '', stderr: '', exit: 0 }

/** What most CLIs understand: exit code 2 refuses, for the reason on stderr. A guard's silence would be no answer. */
function inExitCode(event: HookEvent, verdict: Verdict): HookOutput {
  if (!verdict.allow) return { stdout: '', stderr: `${verdict.reason}\n`, exit: 2 }
  return event === 'tool-start' ? { ...NOTHING, stdout: '{}\n' } : NOTHING
}
