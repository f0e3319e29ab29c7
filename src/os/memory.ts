/**
 * Environment of a process that is to stay small. glibc keeps more and more of what is freed, up to twice the largest
 * piece there ever was; told a limit, if only the one it begins with, it keeps to that.
 */
const FRUGAL: Readonly<Record<string, string>> = { MALLOC_TRIM_THRESHOLD_: '131072' }

/** The environment of this process, for one that is to stay small. What a person has set stands. */
export function frugalEnvironment(): Record<string, string> {
  const own = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return { ...FRUGAL, ...Object.fromEntries(own) }
}

/** What a process was told of memory when it began is none of its children's business. */
export function forgetFrugality(): void {
  for (const [name, value] of Object.entries(FRUGAL)) if (process.env[name] === value) delete process.env[name]
}

/**
 * Gives back to the system what garbage holds, code that has not run for a while, and the half of the nursery that is
 * free. Without `--expose-gc` it does nothing. Takes some 20 ms.
 */
export function giveBackMemory(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
