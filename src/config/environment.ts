import { messageOf } from '../errors.ts'
import { nearest } from '../nearest.ts'
import type { Source } from './document.ts'
import type { Problem } from './problem.ts'
import { type JsonSchema, type Setting, settingsOf } from './settings.ts'

export interface EnvironmentSettings {
  /** One source a variable. */
  readonly sources: Source[]
  readonly problems: Problem[]
  /** Variables that look like a setting with a typing error. */
  readonly warnings: Problem[]
}

/**
 * Settings from `OV_*` variables. The name follows from the key (`agents.maxConcurrent` is `OV_AGENTS_MAX_CONCURRENT`);
 * the value is text where the key is text, else YAML: `5`, `true`, `60s`, `[tests-pass, lint-clean]`.
 * An empty variable sets nothing. Other `OV_*` variables are none of the configuration's business.
 */
export async function environmentSettings(
  env: Readonly<Record<string, string | undefined>>,
  shapeOf: () => JsonSchema,
): Promise<EnvironmentSettings> {
  const found: EnvironmentSettings = { sources: [], problems: [], warnings: [] }
  const names = Object.keys(env).filter((name) => name.startsWith('OV_') && env[name] !== '')
  if (names.length === 0) return found
  const settings = new Map(settingsOf(shapeOf()).map((setting) => [setting.variable, setting]))
  for (const name of names) {
    const problem = (message: string): Problem => ({ file: name, place: null, key: null, message })
    const setting = settings.get(name)
    if (setting === undefined) {
      const near = nearest(
        name.slice(3),
        Array.from(settings.keys(), (variable) => variable.slice(3)),
      )
      if (near !== null && isTypingError(name.slice(3), near))
        found.warnings.push(problem(`is no setting and changes nothing. Did you mean OV_${near}?`))
      continue
    }
    try {
      const value = await settingValue(setting, env[name] ?? '')
      found.sources.push({ file: name, value: nested(setting.path, value), place: () => null })
    } catch (error) {
      found.problems.push({ ...problem(`is not YAML: ${messageOf(error).split('\n')[0]}`), key: setting.key })
    }
  }
  return found
}

/** Other programs have `OV_` variables too: only what has as many words as a setting and is long enough looks like one. */
function isTypingError(name: string, setting: string): boolean {
  return name.length >= 8 && name.split('_').length === setting.split('_').length
}

async function settingValue(setting: Setting, text: string): Promise<unknown> {
  if (setting.schema.type === 'string') return text
  const { parse } = await import('yaml')
  return parse(text, { logLevel: 'error' })
}

function nested(path: readonly string[], value: unknown): Record<string, unknown> {
  const [first = '', ...rest] = path
  return { [first]: rest.length === 0 ? value : nested(rest, value) }
}
