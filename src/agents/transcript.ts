import type { AgentEvent, AgentRuntime, SessionSpec } from '../contract/runtime.ts'
import type { Transcript } from '../mail/deliver.ts'
import { findBelow, linesOf } from '../os/files.ts'
import { endOfLines, type Growing, growing } from '../os/tail.ts'
import type { Project } from '../project.ts'
import { privateDirOf } from '../runner/workplace.ts'
import { agentEnvironmentOf } from '../runtimes/environment.ts'
import type { Agent } from './store.ts'

/** What decides where a runtime keeps an agent's conversations. */
export type ConversationPlace = Pick<SessionSpec, 'environment' | 'privateDir' | 'interactive'>

/** The place of an agent's conversations, for who is not its runner. */
export function conversationsOf(
  project: Pick<Project, 'config' | 'root' | 'stateDir'>,
  agent: Pick<Agent, 'id' | 'mode'>,
  runtime: AgentRuntime,
): ConversationPlace {
  return {
    environment: agentEnvironmentOf(project.config, runtime),
    privateDir: privateDirOf(project, agent),
    ...(agent.mode === 'interactive' ? { interactive: { repository: project.root } } : {}),
  }
}

/** What is in a session's context, as its runtime keeps it. */
export interface Conversation extends Transcript {
  /** Whether a session that a CLI told of can be resumed: where its first prompt was taken back, it holds nothing. */
  canResume(session: string): Promise<boolean>
  /** Whether the session has a file yet: a CLI can tell of one before it has written anything. */
  isThere(session: string): boolean
}

/** The file in which a runtime keeps a session's conversation; null when there is none. */
export function sessionFile({ transcript }: AgentRuntime, place: ConversationPlace, session: string): string | null {
  if (transcript === undefined) return null
  const { folder, endsWith } = transcript.locate(session, place)
  return findBelow(folder, endsWith)
}

/**
 * The runtime's session that an agent can go on with, or null: another runtime's or mode's is of no use, nor is one whose
 * file is gone.
 */
export function sessionLeft(
  project: Pick<Project, 'config' | 'root' | 'stateDir'>,
  agent: Pick<Agent, 'id' | 'mode' | 'runtime' | 'session'>,
  { runtime, mode }: { readonly runtime: AgentRuntime; readonly mode: Agent['mode'] },
): string | null {
  const { session } = agent
  if (session === null || agent.runtime !== runtime.id || agent.mode !== mode || !runtime.can.resume) return null
  if (runtime.transcript === undefined) return session
  return sessionFile(runtime, conversationsOf(project, agent, runtime), session) === null ? null : session
}

/**
 * What is in a session's context, by the file its runtime keeps; undefined for a runtime that keeps none.
 *
 * @param session the runtime's own id of the session, undefined before it has begun: then nothing is in its context
 */
export function transcriptOf(
  runtime: AgentRuntime,
  place: ConversationPlace,
  session: () => string | undefined,
): Conversation | undefined {
  const { transcript } = runtime
  if (transcript === undefined) return undefined
  const anyIn = async (session: string, holds: (line: string) => boolean): Promise<boolean> => {
    const path = sessionFile(runtime, place, session)
    if (path === null) return false
    let found = false
    for await (const line of linesOf(path)) {
      if (transcript.renews?.(line)) found = false
      found ||= holds(line)
      if (found && transcript.renews === undefined) return true
    }
    return found
  }
  return {
    async has(mark) {
      const id = session()
      // Most lines are long and don't hold it: only those that do are parsed.
      const held = (line: string) => line.includes(mark) && transcript.entered(line).some((text) => text.includes(mark))
      return id !== undefined && (await anyIn(id, held))
    },
    isThere: (id) => sessionFile(runtime, place, id) !== null,
    async canResume(id) {
      return transcript.renews === undefined || anyIn(id, (line) => transcript.entered(line).length > 0)
    },
  }
}

type UsageEvent = Extract<AgentEvent, { type: 'usage' }>

/** The tokens a transcript tells of. */
export interface TokenCounts {
  /** What was told since the last call. */
  take(session: string | undefined): UsageEvent[]
  close(): void
}

/**
 * Counts tokens by the file a session keeps; undefined where they are told elsewhere.
 *
 * @param resumed the session that was taken up: what it used before was counted before
 */
export function tokensIn(
  runtime: AgentRuntime,
  place: Pick<SessionSpec, 'environment' | 'privateDir' | 'interactive'>,
  resumed: string | undefined,
): TokenCounts | undefined {
  const { transcript } = runtime
  const used = transcript?.used
  if (transcript === undefined || used === undefined) return undefined
  let of: string | undefined
  let file: Growing | null = null
  const counted = new Set<string>()
  const open = (session: string) => {
    if (session === of && file !== null) return
    const { folder, endsWith } = transcript.locate(session, place)
    const path = findBelow(folder, endsWith)
    if (path === null) return
    file?.close()
    file = growing(path, session === resumed && of === undefined ? endOfLines(path) : 0)
    of = session
  }
  if (resumed !== undefined) open(resumed)
  return {
    take(session) {
      if (session === undefined) return []
      open(session)
      const last = new Map<string, UsageEvent>()
      for (const line of file?.read() ?? []) {
        const told = used(line)
        if (told !== null && !counted.has(told.request)) last.set(told.request, told.event)
      }
      for (const [request, { scope }] of last) if (scope === 'added') counted.add(request)
      return [...last.values()]
    },
    close: () => file?.close(),
  }
}
