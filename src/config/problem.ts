import { OvError } from '../errors.ts'
import { oneLine } from '../mail/frame.ts'

/** A place in a file. Lines and columns begin at 1, as editors count them. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** Something in a configuration file (or in a variable) that a person has to look at. */
export interface Problem {
  /** The file as a person knows it, or the name of the environment variable. */
  readonly file: string
  readonly place: Place | null
  /** Dotted path of the key it is about, where it is about one: `agents.maxDepth`. */
  readonly key: string | null
  readonly message: string
}

/** `overstory.yaml:3:5` */
export function placeName(file: string, place: Place | null): string {
  return place === null ? file : `${file}:${place.line}:${place.column}`
}

/** A problem in a line: where, and what. */
export function sayProblem(problem: Problem): string {
  return `${placeName(oneLine(problem.file, 400), problem.place)}: ${oneLine(problem.message, 600)}`
}

/** A key as people write it: `project.qualityGates[0].name`. */
export function keyName(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (name, part) =>
      typeof part === 'number' ? `${name}[${part}]` : name === '' ? String(part) : `${name}.${String(part)}`,
    '',
  )
}

/** How many problems an error shows. */
const SHOWN = 20

/** All problems as one error. */
export function invalidConfig(problems: readonly Problem[]): OvError {
  const lines = problems.slice(0, SHOWN).map(sayProblem)
  if (problems.length > SHOWN) lines.push(`… and ${problems.length - SHOWN} more`)
  return new OvError(
    'user',
    'config.invalid',
    problems.length === 1
      ? lines.join('')
      : `The configuration has ${problems.length} problems:\n${lines.map((text) => `  ${text}`).join('\n')}`,
    { hint: 'Mend it, then: ov config validate. All keys: ov config example' },
  )
}
