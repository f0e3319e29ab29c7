import { stringify } from 'yaml'
import { configJsonSchema } from './load.ts'
import type { JsonSchema } from './settings.ts'

const WIDTH = 100
/** All runtimes have the same section; one is shown. */
const SHOWN_RUNTIME = 'claude'

const HEAD = `Every key of overstory.yaml, what it means, and its default. Each can be left out; unknown keys are refused.

Stronger than this file, in this order: flags, environment variables (OV_AGENTS_MAX_CONCURRENT=8 for
agents.maxConcurrent), overstory.local.yaml beside this file. Weaker: ~/.config/overstory/config.yaml.
What holds, and why: ov config explain`

/** A commented `overstory.yaml` with every key, written from the schema. A value is marked as the default or as an example. */
export function exampleConfig(): string {
  const lines = HEAD.split('\n').map((line) => `# ${line}`.trimEnd())
  for (const section of Object.entries(configJsonSchema().properties ?? {})) lines.push('', ...entries([section], ''))
  return `${lines.join('\n')}\n`
}

function entries(properties: readonly [string, JsonSchema][], indent: string): string[] {
  let above: string | undefined
  return properties.flatMap(([name, schema]) => {
    // What all capabilities have in common is said once, above the first.
    const comments = schema.description === above ? [] : wrap(schema.description ?? '', WIDTH - indent.length)
    above = schema.description
    const [example] = schema.examples ?? []
    if (schema.properties !== undefined) {
      const inner = Object.entries(schema.properties).filter(
        ([key]) => !isRuntime(schema, key) || key === SHOWN_RUNTIME,
      )
      return [...comments.map((line) => `${indent}# ${line}`), `${indent}${name}:`, ...entries(inner, `${indent}  `)]
    }
    if (schema.default !== undefined && example !== undefined) comments.push(`For example: ${flow(example)}`)
    const value =
      schema.default === undefined ? `${flow(example)} # an example` : `${flow(schema.default)} # the default`
    return [...comments.map((line) => `${indent}# ${line}`), `${indent}${name}: ${value}`]
  })
}

/** Whether a key is the section of a runtime. */
function isRuntime(parent: JsonSchema, key: string): boolean {
  return parent.properties?.[key]?.properties?.binary !== undefined
}

/** A value on one line. */
function flow(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 }).trim()
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
