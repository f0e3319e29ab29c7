/** The part of a core that looking and drawing may take, with room below the promised 2 %. */
const SHARE = 0.016
/** However dear a look was, the next one waits no longer, in ms. */
const LONGEST_MS = 5_000
/** Milliseconds from a change to the look at it, so that changes that come together are one. */
export const SETTLE_MS = 25

/**
 * When the next look may be, in ms. What was spent since the last one decides: a change after a quiet time is shown at
 * once, a flood of changes as often as the share allows.
 *
 * @param last when the last look began, in ms
 * @param spent what has been spent since, in ms of processor time
 */
export function nextLook(last: number, spent: number): number {
  return last + Math.min(spent / SHARE, LONGEST_MS)
}
