/**
 * A point at which a flow may be cut off, named for those who try that: by what has just been done, as
 * `merge.swapped`. It does nothing. The chaos suite builds `ov` with another module in the place of this one, which kills
 * its process here (docs/chaos.md).
 */
export function step(_done: string): void {
  // Nothing, in what ships.
}
