import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { OvError } from '../errors.ts'
import { type Config, configSchema } from './schema.ts'

export const CONFIG_FILE = 'overstory.yaml'

/** Reads the configuration of a project. */
export function loadConfig(root: string): Config {
  const path = join(root, CONFIG_FILE)
  const raw: unknown = existsSync(path) ? (parse(readFileSync(path, 'utf8')) ?? {}) : {}
  const parsed = configSchema.safeParse(raw)
  if (!parsed.success) throw new OvError('user', 'config.invalid', parsed.error.message)
  return parsed.data
}
