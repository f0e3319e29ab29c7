import type * as z from 'zod'
import { nearest } from '../nearest.ts'
import { isMapping, type Mapping, type Source } from './document.ts'
import { keyName, type Problem } from './problem.ts'
import { type JsonSchema, jsonSchemaOf, schemaAt, settingsOf } from './settings.ts'

/** Read once and never again: compiling a checker for it would take longer than checking it. */
export const ONCE = { jitless: true } as const

type Issue = z.core.$ZodIssue

/**
 * Checks a source against a schema, all of it at once. Gives its mapping, with sections that are left empty
 * (`agents:` and nothing below) taken for empty ones.
 */
export function checkSource(schema: z.ZodType, source: Source): { value: Mapping; problems: Problem[] } {
  let shape: JsonSchema | undefined
  const shapeOf = () => {
    shape ??= jsonSchemaOf(schema)
    return shape
  }
  const value = hasNull(source.value) ? withoutEmptySections(source.value, shapeOf()) : source.value
  const result = schema.safeParse(value, ONCE)
  if (result.success) return { value, problems: [] }
  const problems = result.error.issues
    .flatMap((issue) => flatten(issue))
    .flatMap((issue) => problemsOf(issue, { ...source, value }, shapeOf()))
  return { value, problems: problems.toSorted(byPlace) }
}

function byPlace(a: Problem, b: Problem): number {
  return (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0)
}

function hasNull(value: unknown): boolean {
  return value === null || (typeof value === 'object' && Object.values(value).some(hasNull))
}

function withoutEmptySections(value: Mapping, shape: JsonSchema): Mapping {
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const section = shape.properties?.[key]
      if (section?.properties === undefined) return [key, inner]
      if (inner === null) return [key, {}]
      return [key, isMapping(inner) ? withoutEmptySections(inner, section) : inner]
    }),
  )
}

/** Of a union's complaints, those of the alternative that was meant: the one whose kind of value it is. */
function flatten(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const meant = issue.errors.find(
    (issues) => !issues.some((inner) => inner.path.length === 0 && inner.code === 'invalid_type'),
  )
  if (meant === undefined) return [issue]
  return meant.flatMap((inner) => flatten({ ...inner, path: [...issue.path, ...inner.path] }))
}

function problemsOf(issue: Issue, source: Source, shape: JsonSchema): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      file: source.file,
      place: source.place([...issue.path, key], 'key'),
      key: keyName([...issue.path, key]),
      message: sayUnknown(key, issue.path, shape),
    }))
  }
  const key = keyName(issue.path)
  return [
    {
      file: source.file,
      place: source.place(issue.path, 'value'),
      key,
      message: `${key} ${sayIssue(issue, valueAt(source.value, issue.path), schemaAt(shape, issue.path))}`,
    },
  ]
}

function sayUnknown(key: string, path: readonly PropertyKey[], shape: JsonSchema): string {
  const where = path.length === 0 ? '' : ` in ${keyName(path)}`
  const here = Object.keys(schemaAt(shape, path)?.properties ?? {})
  const near = nearest(key, here)
  if (near !== null) return `unknown key "${key}"${where}. Did you mean "${near}"?`
  const elsewhere = settingsOf(shape).filter((setting) => nearest(key, [setting.path.at(-1) ?? '']) !== null)
  const exact = elsewhere.find((setting) => setting.path.at(-1) === key) ?? elsewhere[0]
  if (exact !== undefined) return `unknown key "${key}"${where}. Did you mean "${exact.key}"?`
  return `unknown key "${key}"${where}. Known there: ${here.join(', ')}`
}

/** What a path leads to, or undefined. */
export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (held, part) =>
      typeof held === 'object' && held !== null ? (held as Record<PropertyKey, unknown>)[part] : undefined,
    value,
  )
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a mapping of keys to values',
  array: 'a list',
}

function sayIssue(issue: Issue, value: unknown, shape: JsonSchema | null): string {
  switch (issue.code) {
    case 'invalid_type': {
      if (value === undefined) return 'is missing'
      if (value === null) return 'is left empty; give it a value or leave the key out'
      const quote = issue.expected === 'string' && typeof value !== 'object' ? '; put it in quotes' : ''
      const wanted = shape?.type === 'integer' ? 'int' : issue.expected
      return `must be ${KINDS[wanted] ?? wanted}, not ${sayValue(value)}${quote}`
    }
    case 'too_small':
      if (issue.origin === 'string') return 'must not be empty'
      return `must be at least ${issue.minimum}, not ${sayValue(value)}`
    case 'too_big':
      return `must be at most ${issue.maximum}, not ${sayValue(value)}`
    default:
      return issue.message.startsWith('must') ? `${issue.message}, not ${sayValue(value)}` : issue.message
  }
}

function sayValue(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (isMapping(value)) return 'a mapping'
  return JSON.stringify(value) ?? String(value)
}
