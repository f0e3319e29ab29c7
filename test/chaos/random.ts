/** Choices that a seed repeats. */
export interface Random {
  /** At least 0, below 1. */
  unit(): number
  /** An integer, at least 0 and below `below`. */
  int(below: number): number
  /** An integer, at least `least` and at most `most`. */
  between(least: number, most: number): number
  /** True so often out of one. */
  chance(probability: number): boolean
  pick<T>(from: readonly [T, ...T[]] | readonly T[]): T
  /** The same in another order. */
  shuffled<T>(all: readonly T[]): T[]
  /** Choices of their own for one thing, which don't depend on how many others were made. */
  of(name: string): Random
}

/** The generator is mulberry32: 32 bits of state, enough to choose faults by. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0
  const unit = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (below: number) => Math.floor(unit() * below)
  return {
    unit,
    int,
    between: (least, most) => least + int(most - least + 1),
    chance: (probability) => unit() < probability,
    pick<T>(from: readonly T[]): T {
      const found = from[int(from.length)]
      if (found === undefined) throw new Error('there is nothing to pick from')
      return found
    },
    shuffled<T>(all: readonly T[]): T[] {
      const left = [...all]
      return all.map(() => left.splice(int(left.length), 1)[0] as T)
    },
    of: (name) => randomOf(hashOf(`${seed}/${name}`)),
  }
}

/** FNV-1a, 32 bits. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}
