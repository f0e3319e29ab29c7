import type { Command } from '@oclif/core'
import { type ErrorKind, EXIT_CODES } from '../errors.ts'

/** What the registry of commands says of itself; oclif's `Config` fits. */
export interface Registry {
  readonly commands: readonly Command.Loadable[]
  readonly version: string
}

/**
 * The manual page `ov(1)`, in the man macros every `man` understands, made of the registry of commands.
 *
 * @param about what `ov` is, in a sentence
 */
export function manPage({ commands, version }: Registry, about: string): string {
  const shown = commands.filter(({ hidden }) => !hidden).toSorted((a, b) => (a.id < b.id ? -1 : 1))
  return `${[
    `.TH OV 1 "" "ov ${text(version)}" "User Commands"`,
    '.SH NAME',
    'ov \\- turns one coding agent into a fleet',
    '.SH SYNOPSIS',
    '.B ov',
    '[\\fICOMMAND\\fR] [\\fIOPTION\\fR]...',
    '.SH DESCRIPTION',
    text(about),
    '.PP',
    text('Without a command it says what is going on and what one might do next.'),
    '.SH COMMANDS',
    ...shown.flatMap(commandLines),
    '.SH OPTIONS OF EVERY COMMAND',
    ...EVERYWHERE.flatMap(([flag, about]) => item(`\\fB${text(flag)}\\fR`, about)),
    '.SH EXIT STATUS',
    ...item('\\fB0\\fR', 'all went well'),
    ...Object.entries(EXIT_CODES).flatMap(([kind, code]) => item(`\\fB${code}\\fR`, EXITS[kind as ErrorKind])),
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.flatMap(([name, about]) => item(`\\fB${text(name)}\\fR`, about)),
    '.SH FILES',
    ...FILES.flatMap(([name, about]) => item(`\\fI${text(name)}\\fR`, about)),
  ].join('\n')}\n`
}

const EVERYWHERE = [
  ['--help', 'what a command takes, with examples'],
  ['--json', 'one JSON document on standard output and nothing else, for errors too'],
  ['-q, --quiet', 'nothing beside the result'],
  ['--no-input', 'never ask; what needs an answer is refused'],
] as const

const EXITS: Readonly<Record<ErrorKind, string>> = {
  failed: 'it failed',
  user: 'the command line is wrong',
  conflict: 'a conflict, or a gate that failed',
  busy: 'busy, or at a limit',
  budget: 'the budget is used up',
  blocked: 'a human must act',
  timeout: 'the time is over',
  interrupted: 'interrupted',
}

const ENVIRONMENT = [
  ['NO_COLOR', 'no colours, whatever it is set to'],
  ['CI', 'nothing is asked, and progress is plain lines'],
  ['COLUMNS', 'width of tables where the output is no terminal'],
  ['OV_*', 'any key of the configuration: OV_AGENTS_MAX_CONCURRENT is agents.maxConcurrent'],
  ['XDG_RUNTIME_DIR, XDG_CACHE_HOME', 'where sockets and compiled code are kept'],
] as const

const FILES = [
  ['overstory.yaml', 'the configuration of a project, committed with it'],
  ['overstory.local.yaml', 'laid over it, ignored by git'],
  ['.overstory/', 'state: the database, the worktrees of agents, logs'],
] as const

function commandLines(command: Command.Loadable): string[] {
  const { id, summary, description, args, flags, examples } = command
  const words = Object.values(args)
    .map(({ name, required }) =>
      required ? ` \\fI${text(name.toUpperCase())}\\fR` : ` [\\fI${text(name.toUpperCase())}\\fR]`,
    )
    .join('')
  const own = Object.entries(flags).filter(([, { helpGroup, hidden }]) => helpGroup !== 'GLOBAL' && !hidden)
  return [
    `.SS "ov ${id.replaceAll(':', ' ')}"`,
    '.nf',
    `\\fBov ${text(id.replaceAll(':', ' '))}\\fR${words}${own.length === 0 ? '' : ' [\\fIOPTION\\fR]...'}`,
    '.fi',
    '.PP',
    `${text(summary ?? '')}.`,
    ...(description === undefined || description === summary ? [] : ['.PP', ...paragraphs(description)]),
    ...Object.values(args).flatMap(({ name, description: about }) =>
      item(`\\fI${text(name.toUpperCase())}\\fR`, about ?? ''),
    ),
    ...own.flatMap(([name, flag]) => item(flagTag(name, flag), aboutFlag(flag))),
    ...(examples === undefined || examples.length === 0
      ? []
      : ['.PP', 'Examples:', '.PP', '.nf', '.RS 4', ...examples.map((one) => text(exampleText(one))), '.RE', '.fi']),
  ]
}

function flagTag(name: string, flag: Command.Flag.Cached): string {
  const long = `--${flag.type === 'boolean' && flag.allowNo ? '[no-]' : ''}${name}`
  const value =
    flag.type === 'option' ? `=\\fI${text(flag.helpValue === undefined ? 'VALUE' : String(flag.helpValue))}\\fR` : ''
  return `${flag.char === undefined ? '' : `\\fB${text(`-${flag.char}`)}\\fR, `}\\fB${text(long)}\\fR${value}`
}

function aboutFlag(flag: Command.Flag.Cached): string {
  const options = flag.type === 'option' && flag.options ? ` (${flag.options.join(', ')})` : ''
  return `${flag.description ?? ''}${options}`
}

function exampleText(example: Command.Example): string {
  const line = typeof example === 'string' ? example : example.command
  return line.replaceAll('<%= config.bin %>', 'ov')
}

function item(tag: string, about: string): string[] {
  return ['.TP', tag, text(about)]
}

function paragraphs(words: string): string[] {
  return words
    .split(/\n{2,}/)
    .flatMap((part, index) => [...(index === 0 ? [] : ['.PP']), ...part.split('\n').map(text)])
}

/** Text as roff takes it: no escape, no request at the beginning of a line, hyphens that can be copied. */
function text(words: string): string {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(
      /[^\x20-\x7e\n]/gu,
      (letter) => `\\[u${(letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
    )
    .replace(/^([.'])/gm, '\\&$1')
}
