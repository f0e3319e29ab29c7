/** A promise that was not kept: what was seen instead. */
export class Unproved extends Error {}

/** @throws {Unproved} with what was seen, unless `kept` */
export function must(kept: boolean, seen: string): asserts kept {
  if (!kept) throw new Unproved(seen)
}

/** How often a text stands in another. */
export function times(text: string, part: string): number {
  return text.split(part).length - 1
}
