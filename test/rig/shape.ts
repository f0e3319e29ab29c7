import { join } from 'node:path'
import { API, type Checker, type Symbol as Member, SymbolFlags, type Type, TypeFlags } from 'typescript/unstable/sync'

/** The shape of a JSON document: one or several alternatives. */
export interface Shape {
  readonly anyOf: readonly Alternative[]
}

type Alternative =
  | { readonly is: 'plain'; readonly type: 'string' | 'number' | 'boolean' | 'null' | 'unknown' }
  | { readonly is: 'literal'; readonly value: string | number | boolean }
  | { readonly is: 'list'; readonly of: Shape }
  | { readonly is: 'map'; readonly of: Shape }
  | { readonly is: 'fields'; readonly fields: readonly Field[] }
  | { readonly is: 'again'; readonly name: string }

interface Field {
  readonly name: string
  readonly optional: boolean
  /** What stands above it in the source. */
  readonly about: string
  readonly shape: Shape
}

/** Where a document comes from: the `run` of the class a module exports by default, or a function of that name. */
export interface Origin {
  readonly file: string
  readonly named?: string
}

/**
 * The documents that functions give, by the types of the source; what a promise holds where they give a promise.
 *
 * @param origins with paths relative to `root`, by whatever name the caller wants them
 */
export function documentsOf(root: string, origins: ReadonlyMap<string, Origin>): Map<string, Shape> {
  const api = new API()
  try {
    const configFile = join(root, 'tsconfig.json')
    const project = api.updateSnapshot({ openProjects: [configFile] }).getProject(configFile)
    if (project === undefined) throw new Error(`TypeScript does not open ${configFile}`)
    const { checker, program } = project
    return new Map(
      [...origins].map(([id, { file, named }]) => {
        const source = program.getSourceFile(join(root, file))
        const module = source && checker.getSymbolAtLocation(source)
        const exported = module?.getExports().get((named ?? 'default') as never)
        const verb =
          exported && named !== undefined
            ? checker.getTypeOfSymbol(exported)
            : exported && memberOf(checker, checker.getDeclaredTypeOfSymbol(exported), 'run')
        const [signature] = verb ? checker.getSignaturesOfType(verb, 0) : []
        const given = signature && checker.getReturnTypeOfSignature(signature)
        if (given === undefined) throw new Error(`${file} has no ${named ?? 'run()'} that gives a document`)
        const [held] = given.getSymbol()?.name === 'Promise' ? checker.getTypeArguments(given as never) : []
        return [id, shapeOf(checker, held ?? given, [])]
      }),
    )
  } finally {
    api.close()
  }
}

function memberOf(checker: Checker, type: Type, name: string): Type | undefined {
  const member = checker.getPropertyOfType(type, name)
  return member && checker.getTypeOfSymbol(member)
}

function shapeOf(checker: Checker, type: Type, above: readonly number[]): Shape {
  const types = type.isUnionType() ? type.getTypes() : [type]
  const anyOf = types
    .filter(({ flags }) => !(flags & (TypeFlags.Undefined | TypeFlags.Void | TypeFlags.Never)))
    .map((one) => alternativeOf(checker, one, above))
  const literals = anyOf.filter((one) => one.is === 'literal' && typeof one.value === 'boolean')
  if (literals.length < 2) return { anyOf }
  return { anyOf: [...anyOf.filter((one) => !literals.includes(one)), { is: 'plain', type: 'boolean' }] }
}

function alternativeOf(checker: Checker, type: Type, above: readonly number[]): Alternative {
  const { flags } = type
  if (flags & TypeFlags.Null) return { is: 'plain', type: 'null' }
  if (type.isLiteralType()) return { is: 'literal', value: type.value as string | number | boolean }
  if (flags & TypeFlags.StringLike) return { is: 'plain', type: 'string' }
  if (flags & TypeFlags.NumberLike) return { is: 'plain', type: 'number' }
  if (flags & TypeFlags.BooleanLike) return { is: 'plain', type: 'boolean' }
  if (flags & TypeFlags.AnyOrUnknown) return { is: 'plain', type: 'unknown' }
  if (above.includes(type.id)) return { is: 'again', name: nameOf(type) }
  const deeper = [...above, type.id]
  if (checker.isArrayType(type) || checker.isTupleType(type)) {
    const parts = checker.getTypeArguments(type as never).map((one) => shapeOf(checker, one, deeper))
    return { is: 'list', of: { anyOf: unique(parts.flatMap((part) => part.anyOf)) } }
  }
  const [index] = checker.getIndexInfosOfType(type)
  if (index !== undefined) return { is: 'map', of: shapeOf(checker, index.valueType, deeper) }
  const fields = checker
    .getPropertiesOfType(type)
    .map((member) => fieldOf(checker, member, deeper))
    // Never there in this alternative.
    .filter(({ shape }) => shape.anyOf.length > 0)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return { is: 'fields', fields }
}

function fieldOf(checker: Checker, member: Member, above: readonly number[]): Field {
  const type = checker.getTypeOfSymbol(member)
  if (type === undefined) throw new Error(`no type of ${member.name}`)
  return {
    name: member.name,
    optional: Boolean(member.flags & SymbolFlags.Optional),
    about: member.getDocumentationComment(checker).replace(/\s+/g, ' ').trim(),
    shape: shapeOf(checker, type, above),
  }
}

function nameOf(type: Type): string {
  return (type.getAliasSymbol() ?? type.getSymbol())?.name ?? 'the same'
}

function unique(alternatives: readonly Alternative[]): Alternative[] {
  return [...new Map(alternatives.map((one) => [JSON.stringify(one), one])).values()]
}

/** The shape in the notation of TypeScript. */
export function sayShape(shape: Shape, indent = ''): string {
  const rank = (text: string) => (text === 'null' ? 2 : text.includes('\n') ? 0 : 1)
  return shape.anyOf
    .map((one) => sayAlternative(one, indent))
    .toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
    .join(' | ')
}

function sayAlternative(one: Alternative, indent: string): string {
  switch (one.is) {
    case 'plain':
      return one.type
    case 'literal':
      return JSON.stringify(one.value).replaceAll('"', "'")
    case 'list': {
      const inner = sayShape(one.of, indent)
      return one.of.anyOf.length > 1 ? `(${inner})[]` : `${inner === '' ? 'never' : inner}[]`
    }
    case 'map':
      return `{ [key]: ${sayShape(one.of, indent)} }`
    case 'again':
      return one.name
    case 'fields': {
      if (one.fields.length === 0) return '{}'
      const deeper = `${indent}  `
      const lines = one.fields.flatMap(({ name, optional, about, shape }) => [
        ...(about === '' ? [] : [`${deeper}/** ${about} */`]),
        `${deeper}${/^\w+$/.test(name) ? name : JSON.stringify(name)}${optional ? '?' : ''}: ${sayShape(shape, deeper)}`,
      ])
      return `{\n${lines.join('\n')}\n${indent}}`
    }
  }
}

/** Where a document does not fit its shape, in words; null where it does. A field that the shape lacks is a misfit too. */
export function misfit(value: unknown, shape: Shape, path = ''): string | null {
  const found = shape.anyOf.map((one) => misfitOne(value, one, path))
  if (found.includes(null)) return null
  const place = path === '' ? 'the document' : path
  return found.length === 1 ? (found[0] ?? null) : `${place} is ${brief(value)}: ${found.join('; ')}`
}

function misfitOne(value: unknown, one: Alternative, path: string): string | null {
  const wrong = `${path === '' ? 'the document' : path} is ${brief(value)}`
  switch (one.is) {
    case 'plain':
      if (one.type === 'unknown') return null
      return (one.type === 'null' ? value === null : typeof value === one.type) ? null : `${wrong}, not ${one.type}`
    case 'literal':
      return value === one.value ? null : `${wrong}, not ${JSON.stringify(one.value)}`
    case 'again':
      return null
    case 'list':
      if (!Array.isArray(value)) return `${wrong}, not a list`
      return first(value.map((part, index) => misfit(part, one.of, `${path}[${index}]`)))
    case 'map':
      if (!isObject(value)) return `${wrong}, not an object`
      return first(Object.entries(value).map(([key, part]) => misfit(part, one.of, `${path}.${key}`)))
    case 'fields': {
      if (!isObject(value)) return `${wrong}, not an object`
      const known = new Map(one.fields.map((field) => [field.name, field]))
      const missing = one.fields.find(({ name, optional }) => !optional && !(name in value))
      if (missing !== undefined) return `${path}.${missing.name} is missing`
      return first(
        Object.entries(value).map(([key, part]) => {
          const field = known.get(key)
          return field === undefined ? `${path}.${key} is not documented` : misfit(part, field.shape, `${path}.${key}`)
        }),
      )
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function first(found: readonly (string | null)[]): string | null {
  return found.find((one) => one !== null) ?? null
}

function brief(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 40) ?? 'undefined'
}
