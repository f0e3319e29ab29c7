import { join, resolve } from 'node:path'
import type { Ask, Verdict } from '../contract/runtime.ts'
import { isReallyWithin, isWithin } from '../os/files.ts'

/**
 * What a runtime may do when it asks first. This keeps an agent that means well inside its worktree; what keeps one
 * that doesn't is a sandbox, never a pattern over shell text.
 */
export function guardVerdict(ask: Ask, place: { worktree: string; readOnly: boolean }): Verdict {
  if (ask.when !== 'before_tool') return { allow: true }
  if (ask.interactive)
    return { allow: false, reason: 'Nobody is at a screen to answer. Ask by mail instead: ov ask "…"' }
  if (ask.writes === undefined) return { allow: true }
  if (place.readOnly)
    return {
      allow: false,
      reason: 'Your role is read-only: change no file. Put what you found into ov done --summary "…".',
    }
  for (const path of [ask.writes].flat()) {
    if (!isReallyWithin(place.worktree, path))
      return { allow: false, reason: `${path} is outside your worktree ${place.worktree}. Work only inside it.` }
    if (isWithin(join(place.worktree, '.git'), resolve(place.worktree, path)))
      return { allow: false, reason: 'What lies in .git is written by git alone.' }
  }
  return { allow: true }
}
