import type { HeldRuntimes } from '../agents/store.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import { heldUp } from '../limits/pass.ts'
import { openLimits } from '../limits/store.ts'
import type { Project } from '../project.ts'

/** Of these runtimes: whose account is held up, for who is started with this process's environment. Null: not to be loaded. */
export async function heldRuntimes(project: Project, runtimes: Iterable<AgentRuntime | null>): Promise<HeldRuntimes> {
  const limited: string[] = []
  const stopped: string[] = []
  if ((await openLimits(project.db)).length === 0) return { limited, stopped }
  for (const runtime of runtimes) {
    const held = runtime === null ? null : await heldUp(project, runtime, null)
    if (runtime !== null && held !== null) (held.until === null ? stopped : limited).push(runtime.id)
  }
  return { limited, stopped }
}
