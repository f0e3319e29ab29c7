import { dispatchQueued } from '../agents/start.ts'
import type { Level } from '../contract/states.ts'
import { oneLine } from '../mail/frame.ts'
import type { Project } from '../project.ts'
import { type ModeReport, modeNow, wishMode } from './mode.ts'

/**
 * Sets what a person wants the fleet to do, and starts what may start by that. Runners see the change at once.
 *
 * @param wish.forMs so long; null: until it is taken back
 */
export async function changeMode(
  project: Project,
  wish: { readonly level: Level | 'auto'; readonly forMs: number | null; readonly why: string },
): Promise<ModeReport> {
  await wishMode(project, { ...wish, why: oneLine(wish.why, 200) })
  await dispatchQueued(project)
  return modeNow(project)
}
