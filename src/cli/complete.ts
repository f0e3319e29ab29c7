/**
 * What may stand next on a command line of `ov`: pure, over the registry of commands and what is alive just now.
 * The scripts for bash, zsh and fish (completion-scripts.ts) ask `ov complete` and print what this says.
 */

/** What the registry says of a command; a part of oclif's manifest. */
export interface KnownCommand {
  /** Words joined by `:`, such as `mail:send`. */
  readonly id: string
  readonly summary?: string | undefined
  readonly hidden?: boolean | undefined
  /** False: its last argument may be given several times. */
  readonly strict?: boolean | undefined
  readonly args: Readonly<Record<string, { readonly options?: readonly string[] | undefined }>>
  readonly flags: Readonly<Record<string, KnownFlag>>
}

interface KnownFlag {
  readonly type?: string | undefined
  readonly char?: string | undefined
  readonly summary?: string | undefined
  readonly description?: string | undefined
  readonly helpValue?: string | readonly string[] | undefined
  readonly hidden?: boolean | undefined
  readonly multiple?: boolean | undefined
  readonly allowNo?: boolean | undefined
  readonly options?: readonly string[] | undefined
}

interface KnownTopic {
  readonly name: string
  readonly description?: string | undefined
}

export interface Candidate {
  readonly word: string
  readonly about: string
}

/** The names of kinds are those that help shows: an argument's name, or what a flag's value is called. */
export type Live = Readonly<Record<LiveKind, () => Promise<readonly Candidate[]>>>
type LiveKind = 'agent' | 'run' | 'runtime'

/** `files`: the shell itself knows best. */
export type Completion = 'files' | readonly Candidate[]

const KINDS: Readonly<Record<string, LiveKind | 'files'>> = {
  agent: 'agent',
  address: 'agent',
  run: 'run',
  runtime: 'runtime',
  file: 'files',
  path: 'files',
  folder: 'files',
}

/** Flags whose value is called by a more general word in help. */
const FLAG_KINDS: Readonly<Record<string, LiveKind>> = { run: 'run', from: 'agent', to: 'agent', runtime: 'runtime' }

/**
 * @param words all words after `ov` up to the cursor; the last one is what has been typed of the word in question
 */
export async function complete(
  words: readonly string[],
  { commands, topics }: { commands: readonly KnownCommand[]; topics: readonly KnownTopic[] },
  live: Live,
): Promise<Completion> {
  const typed = words.at(-1) ?? ''
  // `ov help stop` is `ov stop --help`.
  if (words.length > 1 && words[0] === 'help') return complete(words.slice(1), { commands, topics }, live)
  const before = words.slice(0, -1)
  const shown = commands.filter(({ hidden }) => !hidden)
  const command = commandOf(before, shown)
  if (command === null) return startingWith(typed, nextWords(before, shown, topics))
  const rest = before.slice(command.id.split(':').length)
  if (rest.includes('--')) return argument(command, rest, typed, shown, live)

  const [, name = '', value] = /^--([^=]+)=(.*)$/s.exec(typed) ?? []
  const assigned = command.flags[name]
  if (assigned !== undefined && value !== undefined) {
    const found = await valuesOf(name, assigned, live)
    if (found === 'files') return found
    return startingWith(value, found).map(({ word, about }) => ({ word: `--${name}=${word}`, about }))
  }
  const open = flagOf(command, rest.at(-1) ?? '')
  if (open !== null && takesValue(open.flag)) {
    const found = await valuesOf(open.name, open.flag, live)
    return found === 'files' ? found : startingWith(typed, found)
  }
  if (typed.startsWith('-')) return startingWith(typed, flagsLeft(command, rest))
  return argument(command, rest, typed, shown, live)
}

/** The longest run of words that is a command. */
function commandOf(words: readonly string[], commands: readonly KnownCommand[]): KnownCommand | null {
  for (let length = words.length; length > 0; length--) {
    const found = commands.find(({ id }) => id === words.slice(0, length).join(':'))
    if (found !== undefined) return found
  }
  return null
}

/** Commands and topics one word further on. */
function nextWords(
  before: readonly string[],
  commands: readonly KnownCommand[],
  topics: readonly KnownTopic[],
): Candidate[] {
  const found = new Map<string, string>()
  for (const { id, summary } of commands) {
    const parts = id.split(':')
    if (parts.length <= before.length || before.some((word, index) => parts[index] !== word)) continue
    const word = parts[before.length] ?? ''
    const whole = parts.length === before.length + 1
    const topic = topics.find(({ name }) => name === [...before, word].join(':'))
    if (whole || !found.has(word)) found.set(word, (whole ? summary : topic?.description) ?? '')
  }
  return [...found].map(([word, about]) => ({ word, about })).sort((a, b) => (a.word < b.word ? -1 : 1))
}

function flagOf(command: KnownCommand, word: string): { name: string; flag: KnownFlag } | null {
  const found = Object.entries(command.flags).find(
    ([name, { char }]) => word === `--${name}` || (char !== undefined && word === `-${char}`),
  )
  return found === undefined ? null : { name: found[0], flag: found[1] }
}

function takesValue({ type }: KnownFlag): boolean {
  return type === 'option'
}

/** Those not given yet, and those that may be given again. */
function flagsLeft(command: KnownCommand, given: readonly string[]): Candidate[] {
  const taken = new Set(given.map((word) => flagOf(command, word.split('=')[0] ?? '')?.name))
  return Object.entries(command.flags)
    .filter(([name, { hidden, multiple }]) => !hidden && (multiple || !taken.has(name)))
    .map(([name, { summary, description }]) => ({ word: `--${name}`, about: summary ?? description ?? '' }))
    .sort((a, b) => (a.word < b.word ? -1 : 1))
}

async function valuesOf(name: string, flag: KnownFlag, live: Live): Promise<Completion> {
  if (flag.options !== undefined) return flag.options.map((word) => ({ word, about: '' }))
  const called = typeof flag.helpValue === 'string' ? flag.helpValue.toLowerCase() : ''
  const kind = KINDS[called] ?? FLAG_KINDS[name]
  if (kind === undefined) return []
  return kind === 'files' ? 'files' : live[kind]()
}

async function argument(
  command: KnownCommand,
  rest: readonly string[],
  typed: string,
  commands: readonly KnownCommand[],
  live: Live,
): Promise<Completion> {
  const names = Object.keys(command.args)
  const given = positionals(command, rest)
  if (rest.length === 0) {
    // A command may be a topic too, such as `ov coordinator`.
    const further = nextWords(command.id.split(':'), commands, [])
    if (further.length > 0) return startingWith(typed, further)
  }
  const name = names[given.length] ?? (command.strict === false ? names.at(-1) : undefined)
  if (name === undefined) return typed === '' ? flagsLeft(command, rest) : []
  const { options } = command.args[name] ?? {}
  if (options !== undefined)
    return startingWith(
      typed,
      options.map((word) => ({ word, about: '' })),
    )
  const kind = KINDS[name]
  if (kind === undefined) return []
  if (kind === 'files') return 'files'
  return startingWith(typed, await live[kind]()).filter(({ word }) => !given.includes(word))
}

/** Words that are neither flags nor their values. */
function positionals(command: KnownCommand, words: readonly string[]): string[] {
  const end = words.indexOf('--')
  const found: string[] = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    if (end !== -1 && index > end) found.push(word)
    else if (!word.startsWith('-')) found.push(word)
    else if (!word.includes('=') && takesValue(flagOf(command, word)?.flag ?? {})) index += 1
  }
  return found
}

function startingWith(typed: string, candidates: readonly Candidate[]): Candidate[] {
  return candidates.filter(({ word }) => word.startsWith(typed))
}
