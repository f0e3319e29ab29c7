import { readFileSync, statSync } from 'node:fs'
import type { Document, Node, YAMLError } from 'yaml'
import { codeOf, messageOf } from '../errors.ts'
import type { Place, Problem } from './problem.ts'

/** A mapping as it came from a file or a variable: not checked yet. */
export type Mapping = Readonly<Record<string, unknown>>

/** One source of settings, with the way back to where each of them stands. */
export interface Source {
  /** The file as a person knows it, or the name of an environment variable. */
  readonly file: string
  readonly value: Mapping
  /** Where a key stands (`key`) or its value; the nearest thing around it where it is missing. */
  place(path: readonly PropertyKey[], what: 'key' | 'value'): Place | null
}

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Larger than any configuration, smaller than what would make `ov` slow. */
const MAX_BYTES = 1024 * 1024

/** The text of a file, null where there is none, or the problem that stands in the way. */
function readText(path: string, file: string): string | Problem | null {
  const problem = (message: string): Problem => ({ file, place: null, key: null, message })
  try {
    const info = statSync(path)
    if (!info.isFile()) return problem('is not a file')
    if (info.size > MAX_BYTES) return problem(`is larger than ${MAX_BYTES / 1024 / 1024} MiB`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
    return problem(`cannot be read: ${codeOf(error) ?? messageOf(error)}`)
  }
}

/**
 * Reads a YAML (or JSON) file that holds a mapping. Null where there is no such file; an empty file is an empty mapping.
 * What is wrong with it as YAML is reported, all of it; what it means is the caller's to check.
 *
 * @param file the name by which problems call it
 */
export async function readSource(
  path: string,
  file: string,
): Promise<{ source: Source | null; problems: Problem[] } | null> {
  const text = readText(path, file)
  if (text === null) return null
  if (typeof text !== 'string') return { source: null, problems: [text] }
  return parseSource(text, file)
}

/** {@link readSource}, for text that is already there. YAML's parser is loaded when there is something to parse. */
export async function parseSource(text: string, file: string): Promise<{ source: Source | null; problems: Problem[] }> {
  const yaml = await import('yaml')
  const counter = new yaml.LineCounter()
  const document = yaml.parseDocument(text, { lineCounter: counter, prettyErrors: false, logLevel: 'error' })
  const placeAt = (offset: number): Place => {
    const { line, col } = counter.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const problem = (offset: number, message: string): Problem => ({ file, place: placeAt(offset), key: null, message })
  const syntax = [...document.errors, ...document.warnings]
  const problems = syntax.map((error) => problem(error.pos[0], sayYamlError(error, text)))
  yaml.visit(document, {
    Alias(_key, node) {
      if (node.resolve(document) === undefined)
        problems.push(
          problem(node.range?.[0] ?? 0, `*${node.source} stands for nothing: there is no &${node.source} before it`),
        )
    },
  })
  // A key that is given twice leaves a document that can be read on; other errors leave a guess.
  const readable = problems.length === syntax.length && syntax.every((error) => error.code === 'DUPLICATE_KEY')
  if (!readable) return { source: null, problems }

  const place = (path: readonly PropertyKey[], what: 'key' | 'value') => {
    const offset = offsetOf(document, path, what, yaml)
    return offset === null ? null : placeAt(offset)
  }
  let value: unknown
  try {
    value = document.toJS() ?? {}
  } catch (error) {
    // Aliases within aliases that would unfold without end.
    return { source: null, problems: [...problems, problem(0, messageOf(error))] }
  }
  if (!isMapping(value)) {
    const found = Array.isArray(value) ? 'a list' : 'a single value'
    return {
      source: null,
      problems: [
        ...problems,
        problem(document.contents?.range?.[0] ?? 0, `must be a mapping of keys to values, not ${found}`),
      ],
    }
  }
  return { source: { file, value, place }, problems }
}

function sayYamlError(error: YAMLError, text: string): string {
  switch (error.code) {
    case 'TAB_AS_INDENT':
      return 'a tab is used to indent; YAML takes spaces only'
    case 'DUPLICATE_KEY': {
      const key = /^(["']?)([^:\r\n]*?)\1\s*:/.exec(text.slice(error.pos[0]))?.[2]
      return key === undefined ? 'a key is given twice' : `the key "${key}" is given twice`
    }
    case 'MULTIPLE_DOCS':
      return 'holds several documents (---), of which only one could count'
    default:
      return `is not YAML: ${error.message}`
  }
}

/** Where in the text a path begins, or the deepest part of it that is there. */
function offsetOf(
  document: Document.Parsed,
  path: readonly PropertyKey[],
  what: 'key' | 'value',
  { isAlias, isMap, isScalar, isSeq }: Pick<typeof import('yaml'), 'isAlias' | 'isMap' | 'isScalar' | 'isSeq'>,
): number | null {
  let node: Node | null = document.contents
  let offset = node?.range?.[0] ?? null
  for (const [index, part] of path.entries()) {
    const held: unknown = isAlias(node) ? node.resolve(document) : node
    if (isMap(held)) {
      const pair = held.items.find(({ key }) => isScalar(key) && String(key.value) === String(part))
      if (pair === undefined) return offset
      const [key, value] = [pair.key as Node, pair.value as Node | null]
      const last = index === path.length - 1
      // A value that is left empty has no width, so its key is the better place to look at.
      const empty = value === null || value.range?.[0] === value.range?.[1]
      offset = (last && what === 'key') || empty ? (key.range?.[0] ?? offset) : (value?.range?.[0] ?? offset)
      node = value
    } else if (isSeq(held)) {
      node = (held.items[Number(part)] as Node | undefined) ?? null
      offset = node?.range?.[0] ?? offset
    } else return offset
  }
  return offset
}
