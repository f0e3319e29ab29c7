import * as z from 'zod'

/** The parts of JSON Schema that our schemas are made of. */
export interface JsonSchema {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly examples?: readonly unknown[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
}

/** A zod schema as JSON Schema, in terms of what people write (before defaults and units). */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: 'input',
    // Examples are given as people write them, so they hold for the input even where it is transformed.
    override: ({ zodSchema, jsonSchema }) => {
      const examples = z.globalRegistry.get(zodSchema)?.examples
      if (Array.isArray(examples)) jsonSchema.examples = examples
    },
  }) as JsonSchema
}

/** One key that can be set: a leaf of the schema. */
export interface Setting {
  readonly path: readonly string[]
  /** `agents.maxConcurrent` */
  readonly key: string
  readonly schema: JsonSchema
  /** The environment variable that sets it: `OV_AGENTS_MAX_CONCURRENT`. */
  readonly variable: string
}

/** All settings of a schema, in its order. */
export function settingsOf(schema: JsonSchema, path: readonly string[] = []): Setting[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const here = [...path, name]
    return inner.properties === undefined
      ? [{ path: here, key: here.join('.'), schema: inner, variable: variableOf(here) }]
      : settingsOf(inner, here)
  })
}

/** `agents.maxConcurrent` → `OV_AGENTS_MAX_CONCURRENT` */
function variableOf(path: readonly string[]): string {
  const words = path.map((part) => part.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replace(/[^A-Za-z0-9]/g, '_'))
  return `OV_${words.join('_').toUpperCase()}`
}

/** The part of a schema a path leads to, or null. Of alternatives, the one that has keys. */
export function schemaAt(schema: JsonSchema, path: readonly PropertyKey[]): JsonSchema | null {
  let node: JsonSchema | undefined = schema
  for (const part of path) {
    const held: JsonSchema = node?.anyOf?.find((option) => option.properties !== undefined) ?? node ?? {}
    node = typeof part === 'number' ? held.items : held.properties?.[String(part)]
    if (node === undefined) return null
  }
  return node?.anyOf?.find((option) => option.properties !== undefined) ?? node ?? null
}
