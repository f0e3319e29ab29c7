import type { OvError } from '../errors.ts'
import { lookForOwn, wantOwn } from '../runtimes/own-runtimes.ts'
import { allRuntimeIds } from '../runtimes/registry.ts'
import { stateDirOf } from '../state-dir.ts'
import { checkSource, ONCE, valueAt } from './check.ts'
import { isMapping, type Mapping, readSource, type Source } from './document.ts'
import { environmentSettings } from './environment.ts'
import { CONFIG_FILE, configFiles, LOCAL_CONFIG_FILE } from './files.ts'
import { invalidConfig, type Problem } from './problem.ts'
import { type Config, type ConfigSchema, configSchemaFor } from './schema.ts'
import { secretsIn } from './secrets.ts'
import { type JsonSchema, jsonSchemaOf } from './settings.ts'

/** One source of settings that passed its check, and which of the kinds it is. */
export interface Layer extends Source {
  readonly kind: 'environment' | 'local' | 'project' | 'user'
}

/** What was read, and everything that is wrong with it. */
export interface Reading {
  /** Sources without problems, the strongest first. */
  readonly layers: readonly Layer[]
  readonly problems: readonly Problem[]
  /** What works, but hardly as it was meant. */
  readonly warnings: readonly Problem[]
}

export interface Loaded {
  readonly config: Config
  readonly layers: readonly Layer[]
  readonly warnings: readonly Problem[]
}

let made: { readonly ids: string; readonly schema: ConfigSchema; shape?: JsonSchema } | undefined

function schemaAndShape(): NonNullable<typeof made> {
  const ids = allRuntimeIds()
  if (made?.ids !== ids.join()) made = { ids: ids.join(), schema: configSchemaFor(ids) }
  return made
}

/** The schema of `overstory.yaml`, with a section for each runtime there is. */
export function configSchema(): ConfigSchema {
  return schemaAndShape().schema
}

/** The same as JSON Schema, for editors and for looking keys up. */
export function configJsonSchema(): JsonSchema {
  const both = schemaAndShape()
  both.shape ??= jsonSchemaOf(both.schema)
  return both.shape
}

/** Keys that say which project this is; for all projects at once they make no sense. */
const PROJECT_ONLY = ['name', 'root', 'canonicalBranch'] as const

/** Reads every source of settings for the project in `root` and checks each of them whole. Changes nothing, throws nothing. */
export async function readConfig(root: string): Promise<Reading> {
  lookForOwn(stateDirOf(root))
  const layers: Layer[] = []
  const problems: Problem[] = []
  const take = (kind: Layer['kind'], source: Source) => {
    // First of all: other problems quote the value they are about.
    const secrets = secretsIn(source)
    problems.push(...secrets)
    if (secrets.length > 0) return
    const checked = checkSource(configSchema(), source)
    problems.push(...checked.problems)
    if (checked.problems.length === 0) layers.push({ ...source, kind, value: checked.value })
  }

  const environment = await environmentSettings(process.env, configJsonSchema)
  problems.push(...environment.problems)
  for (const source of environment.sources) take('environment', source)
  for (const { kind, path, file } of configFiles(root)) {
    const read = await readSource(path, file)
    if (read === null) continue
    problems.push(...read.problems)
    if (read.source === null) continue
    if (kind === 'user') problems.push(...projectOnly(read.source))
    if (kind === 'project') problems.push(...ownOnly(read.source))
    take(kind, read.source)
  }
  return { layers, problems, warnings: environment.warnings }
}

/** Where the value of a key stands; `default` where nobody set it. */
export function placeOf(layers: readonly Layer[], path: readonly PropertyKey[]): Pick<Problem, 'file' | 'place'> {
  const layer = layers.find((candidate) => valueAt(candidate.value, path) !== undefined)
  return { file: layer?.file ?? 'default', place: layer?.place(path, 'value') ?? null }
}

function projectOnly(source: Source): Problem[] {
  const project = source.value.project
  return PROJECT_ONLY.filter((name) => isMapping(project) && name in project).map((name) => ({
    file: source.file,
    place: source.place(['project', name], 'key'),
    key: `project.${name}`,
    message: `project.${name} belongs into the ${CONFIG_FILE} of a project, not into the settings for all`,
  }))
}

/** Keys that name what is run on this machine, or who is called: a repository may not decide that. */
const OWN_ONLY = ['command', 'webhook'] as const

function ownOnly(source: Source): Problem[] {
  const { notify } = source.value
  return OWN_ONLY.filter((name) => isMapping(notify) && name in notify).map((name) => ({
    file: source.file,
    place: source.place(['notify', name], 'key'),
    key: `notify.${name}`,
    message: `notify.${name} may not come with a repository: put it into ${LOCAL_CONFIG_FILE}, or into your own settings for all projects`,
  }))
}

/**
 * The configuration of the project in `root`: environment over `overstory.local.yaml` over `overstory.yaml` over the
 * user's own over the defaults. Mappings are merged key by key, lists are replaced.
 *
 * @throws {OvError} `config.invalid`, with everything that is wrong
 */
export async function loadConfig(root: string): Promise<Loaded> {
  const reading = await readConfig(root)
  if (reading.problems.length > 0) throw invalidConfig(reading.problems)
  return settle(reading)
}

/**
 * The same for what must work in any case: a source with something wrong in it is left out as a whole.
 *
 * @returns what holds without those, and the error that tells what is wrong; null when nothing is
 */
export async function loadWhatIsValid(root: string): Promise<{ loaded: Loaded; invalid: OvError | null }> {
  const reading = await readConfig(root)
  return { loaded: settle(reading), invalid: reading.problems.length > 0 ? invalidConfig(reading.problems) : null }
}

/** What holds, by sources that are without problems. */
export function settle({ layers, warnings }: Reading): Loaded {
  const merged = layers.toReversed().reduce<Mapping>((below, layer) => overlay(below, layer.value), {})
  const config = configSchema().parse(merged, ONCE)
  wantOwn(config.runtime.own)
  return { config, layers, warnings }
}

function overlay(below: Mapping, above: Mapping): Mapping {
  const merged: Record<string, unknown> = { ...below }
  for (const [key, value] of Object.entries(above)) {
    const held = merged[key]
    merged[key] = isMapping(held) && isMapping(value) ? overlay(held, value) : value
  }
  return merged
}
