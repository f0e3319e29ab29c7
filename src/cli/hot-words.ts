import { type ParseArgsConfig, parseArgs } from 'node:util'

/** What every command takes. */
const FOR_ALL = {
  json: { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
  'no-input': { type: 'boolean' },
} as const

type Options = NonNullable<ParseArgsConfig['options']>
type Words<T extends Options> = ReturnType<
  typeof parseArgs<{ options: T & typeof FOR_ALL; strict: true; args: string[] }>
>['values']

/**
 * The flags of a command line, or null where it is not perfectly plain: anything unknown, missing, empty, twice, or
 * written in a way that Node and oclif might read differently.
 *
 * @param positionals takes the words that are no flags; absent, there may be none
 */
export function plainWords<T extends Options>(
  argv: readonly string[],
  options: T,
  positionals?: string[],
): Words<T> | null {
  try {
    const { values, tokens } = parseArgs({
      args: [...argv],
      options: { ...options, ...FOR_ALL },
      allowPositionals: positionals !== undefined,
      tokens: true,
    })
    const names = new Set<string>()
    for (const token of tokens) {
      if (token.kind === 'positional' && token.value !== '') {
        positionals?.push(token.value)
        continue
      }
      if (token.kind !== 'option' || token.value === '') return null
      if (names.has(token.name) && options[token.name]?.multiple !== true) return null
      if (token.inlineValue && !token.rawName.startsWith('--')) return null
      names.add(token.name)
    }
    return values as Words<T>
  } catch {
    // Not to be parsed: oclif says what is wrong with it.
    return null
  }
}
