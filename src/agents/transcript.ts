import type { AgentRuntime, SessionSpec } from '../contract/runtime.ts'
import type { Transcript } from '../mail/deliver.ts'
import { findBelow, linesOf } from '../os/files.ts'

/** The file in which a runtime keeps a session's conversation; null when there is none. */
export function sessionFile(
  { transcript }: AgentRuntime,
  place: Pick<SessionSpec, 'environment' | 'privateDir'>,
  session: string,
): string | null {
  if (transcript === undefined) return null
  const { folder, endsWith } = transcript.locate(session, place)
  return findBelow(folder, endsWith)
}

/**
 * What is in a session's context, by the file its runtime keeps; undefined for a runtime that keeps none.
 *
 * @param session the runtime's own id of the session, undefined before it has begun: then nothing is in its context
 */
export function transcriptOf(
  runtime: AgentRuntime,
  place: Pick<SessionSpec, 'environment' | 'privateDir' | 'interactive'>,
  session: () => string | undefined,
): Transcript | undefined {
  const { transcript } = runtime
  if (transcript === undefined) return undefined
  return {
    async has(mark) {
      const id = session()
      if (id === undefined) return false
      const path = sessionFile(runtime, place, id)
      if (path === null) return false
      for await (const line of linesOf(path)) {
        // Most lines are long and don't hold it: only those that do are parsed.
        if (line.includes(mark) && transcript.entered(line).some((text) => text.includes(mark))) return true
      }
      return false
    },
  }
}
