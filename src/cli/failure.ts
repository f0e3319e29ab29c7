import { Errors } from '@oclif/core'
import { oneLine } from '../mail/frame.ts'
import { nearest } from '../nearest.ts'
import { type Explained, explainInterruption, explainThrown, failureText, said } from './explained.ts'
import { errStyle } from './style.ts'

/** What a person could have typed: commands as words (`mail send`), flags without dashes. */
export interface Known {
  readonly commands?: readonly string[]
  readonly flags?: readonly string[]
}

/**
 * Says what was thrown: an error for a person, a command line that makes no sense, what the operating system refused,
 * or a bug, which keeps its stack.
 *
 * @param typed the command as a person types it, for hints
 * @param known what could have been typed instead
 */
export function explain(error: unknown, typed: string, known: Known = {}): Explained {
  const interruption = explainInterruption(error)
  if (interruption !== null) return interruption
  if (error instanceof Errors.CLIError) {
    const unknown = /^command (.+) not found$/s.exec(error.message)?.[1]
    if (unknown !== undefined) {
      const whole = unknown.replaceAll(':', ' ')
      const words = oneLine(whole, 60)
      const near = commandMeant(words, known.commands ?? [])
      const taker = near === null ? commandAtBeginning(whole, known.commands ?? []) : null
      if (taker !== null) {
        const extra = oneLine(whole.slice(taker.length + 1), 60)
        return said('user', 'cli.usage', `ov ${taker} takes no "${extra}".`, `See how it is used: ov ${taker} --help`)
      }
      if (whole.startsWith('-'))
        return said('user', 'cli.usage', `There is no flag "${words}".`, 'See what there is: ov --help')
      const hint = near === null ? 'See what there is: ov --help' : `Did you mean ov ${near}? All commands: ov --help`
      return said('user', 'cli.unknown-command', `There is no command "${words}".`, hint)
    }
    const message = error.message
      .replace(/\nSee more help with --help$/, '')
      .replace(/^The following errors? occurred:\n\s*/, '')
    const hint = meantBy(message) ?? flagMeant(message, known.flags ?? []) ?? `See how it is used: ${typed} --help`
    return said('user', 'cli.usage', inPlainWords(message), hint)
  }
  return explainThrown(error)
}

/** What the command framework says of a command line, as `ov` says such things. What is not known here stays as it is. */
function inPlainWords(message: string): string {
  const [, missing] = /^Missing \d+ required args?:\n((?:\S.*\n?)+)/.exec(message) ?? []
  if (missing !== undefined) {
    const names = missing
      .trim()
      .split('\n')
      .map((line) => line.replace(/ .*/, '').toUpperCase())
    return `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} missing.`
  }
  const [, parsed, wanted, got = ''] = /^Parsing (--[\w-]+) \n\tExpected (.+) but received: (.*)$/s.exec(message) ?? []
  if (parsed !== undefined) return `${parsed} takes ${wanted}, not "${oneLine(got, 60)}".`
  const [, flag, value, options] = NO_OPTION.exec(message) ?? []
  if (value !== undefined) {
    const given = `"${oneLine(value, 60)}"`
    return flag === undefined ? `${given} is none of: ${options}.` : `${flag} takes one of: ${options}; not ${given}.`
  }
  return message
    .split('\n')
    .map((line) =>
      line
        .trim()
        .replace(/^Missing required flag (\S+)$/, '--$1 is missing.')
        .replace(/^Nonexistent flags?: (.+)$/, (_, flags: string) => `There is no flag ${once(flags)}.`)
        .replace(/^Unexpected arguments?: (.+)$/, 'This is too much: $1')
        .replace(/^Flag (--\S+) expects a value$/, '$1 needs a value.')
        .replace(/^All of the following must be provided when using (--\S+): (.+)$/, '$1 goes only with $2.')
        .replace(/^(--[\w-]+)=.* cannot also be provided when using (--[\w-]+)$/, '$1 and $2 do not go together.'),
    )
    .join('\n')
}

/** Words of a list, each once. */
function once(list: string): string {
  return [...new Set(list.split(', '))].join(', ')
}

/** How the framework says that a value is none of the options of a flag, or of an argument. */
const NO_OPTION = /^Expected (?:(--[\w-]+)=)?(.*) to be one of: (.+)$/s

/** What was most likely meant by a value that is none of the options there are; null where nothing is near. */
function meantBy(message: string): string | null {
  const [, flag, value, options = ''] = NO_OPTION.exec(message) ?? []
  const near = value === undefined ? null : nearest(value, options.split(', '))
  return near === null ? null : `Did you mean ${flag === undefined ? '' : `${flag} `}${near}?`
}

/** The flag that was most likely meant by one there is not; null where nothing is near. */
function flagMeant(message: string, flags: readonly string[]): string | null {
  const wrong = /^Nonexistent flags?: --([^\s=]+)/.exec(message)?.[1]
  const near =
    wrong === undefined ? null : (nearest(wrong, flags) ?? only(flags.filter((flag) => flag.startsWith(wrong))))
  return near === null ? null : `Did you mean --${near}?`
}

/** The command that was most likely meant: one nearly spelled so, or one of a topic whose name was left out. */
function commandMeant(words: string, commands: readonly string[]): string | null {
  return (
    nearest(words, commands) ??
    only(commands.filter((command) => command.endsWith(` ${words}`))) ??
    only(commands.filter((command) => command.startsWith(words)))
  )
}

/** The command that takes no arguments and was given some; null where the words begin with none. */
function commandAtBeginning(words: string, commands: readonly string[]): string | null {
  return commands.filter((command) => words.startsWith(`${command} `)).sort((a, b) => b.length - a.length)[0] ?? null
}

function only(found: readonly string[]): string | null {
  return found.length === 1 ? (found[0] ?? null) : null
}

/** Says it to a person, on stderr. */
export function sayFailure(failure: Explained): void {
  process.stderr.write(failureText(failure, errStyle))
}
