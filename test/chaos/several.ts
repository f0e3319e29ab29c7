/** Does work on all of them, so many at once, in their order. */
export async function several<T>(
  atOnce: number,
  all: readonly T[],
  work: (one: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < all.length) {
      const index = next++
      const one = all[index]
      if (one !== undefined) await work(one, index)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
