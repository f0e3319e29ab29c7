import { OvError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import { valueAt } from './check.ts'
import { configJsonSchema, type Layer } from './load.ts'
import type { Place } from './problem.ts'
import { type Setting, settingsOf } from './settings.ts'

/** One value of a key and where it stands. */
export interface Origin {
  /** As it is written there; null where the default is to have none. */
  readonly value: unknown
  readonly from: Layer['kind'] | 'default'
  /** The file, or the environment variable; null for a default. */
  readonly file: string | null
  readonly place: Place | null
}

/** What holds for one key, and why. */
export interface Explained extends Origin {
  readonly key: string
  readonly description: string
  /** The environment variable that would set it. */
  readonly variable: string
  /** What would hold without the sources above it, the next one first; ends with the default. */
  readonly below: readonly Origin[]
}

/**
 * Says for each key its value and where that comes from.
 *
 * @param layers the sources, strongest first
 * @param key a key (`agents.maxDepth`), or a part of the tree (`agents`); everything when absent
 * @throws {OvError} `config.unknown-key`
 */
export function explainConfig(layers: readonly Layer[], key?: string): Explained[] {
  const settings = settingsOf(configJsonSchema())
  const wanted =
    key === undefined
      ? settings
      : settings.filter((setting) => setting.key === key || setting.key.startsWith(`${key}.`))
  if (key !== undefined && wanted.length === 0) throw unknownKey(key, settings)
  return wanted.map((setting) => explain(layers, setting))
}

function explain(layers: readonly Layer[], setting: Setting): Explained {
  const origins: Origin[] = layers
    .map((layer) => ({ layer, value: valueAt(layer.value, setting.path) }))
    .filter(({ value }) => value !== undefined)
    .map(({ layer, value }) => ({
      value,
      from: layer.kind,
      file: layer.file,
      place: layer.place(setting.path, 'key'),
    }))
  const byDefault: Origin = { value: setting.schema.default ?? null, from: 'default', file: null, place: null }
  const [first = byDefault, ...below] = [...origins, byDefault]
  return {
    key: setting.key,
    ...first,
    description: setting.schema.description ?? '',
    variable: setting.variable,
    below,
  }
}

function unknownKey(key: string, settings: readonly Setting[]): OvError {
  const near = nearest(
    key,
    settings.map((setting) => setting.key),
  )
  return new OvError('user', 'config.unknown-key', `There is no key "${key}" in the configuration.`, {
    hint: near === null ? 'See all of them: ov config explain' : `Did you mean: ov config explain ${near}`,
  })
}
