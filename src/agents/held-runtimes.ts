import { heldUp } from '../limits/pass.ts'
import { openLimits } from '../limits/store.ts'
import type { Project } from '../project.ts'
import { loadedRuntime } from './registry.ts'
import { type HeldRuntimes, queuedRuntimes } from './store.ts'

/** Of those that wait for a place: whose runtime is held up, for who is started with this process's environment. */
export async function heldRuntimes(project: Project): Promise<HeldRuntimes> {
  const limited: string[] = []
  const stopped: string[] = []
  if ((await openLimits(project.db)).length === 0) return { limited, stopped }
  for (const id of await queuedRuntimes(project.db)) {
    const runtime = await loadedRuntime(id)
    const held = runtime === null ? null : await heldUp(project, runtime, null)
    if (held !== null) (held.until === null ? stopped : limited).push(id)
  }
  return { limited, stopped }
}
