import { existsSync } from 'node:fs'
import { type Manifest, readManifest } from '../capabilities/manifest.ts'
import { CAPABILITIES } from '../contract/states.ts'
import { nearest } from '../nearest.ts'
import { commitOf, gitAt } from '../os/git.ts'
import { detectProject } from '../preflight/detect.ts'
import { findRoot, followRoot } from '../project.ts'
import { ownerOfModel } from '../runtimes/models.ts'
import { loadedRuntimes, runtimeIds } from '../runtimes/registry.ts'
import { routeFor } from '../runtimes/routing.ts'
import { type Layer, type Loaded, placeOf, readConfig, settle } from './load.ts'
import { keyName, type Problem } from './problem.ts'

export interface Validation {
  readonly valid: boolean
  /** Files and variables that settings come from, the strongest first. */
  readonly sources: readonly string[]
  readonly problems: readonly Problem[]
  /** What is allowed, but will hardly do what was meant. */
  readonly warnings: readonly Problem[]
}

/**
 * Checks all configuration of the project around `cwd`: each file and variable, the agent manifest, and whether what
 * they name is there (runtimes, gates, branch, root).
 *
 * @throws {OvError} `project.no-git`
 */
export async function validateConfig(cwd: string): Promise<Validation> {
  const here = await findRoot(cwd)
  const { root } = here
  const reading = await readConfig(root)
  const { layers, problems, warnings } = reading
  if (problems.length > 0) return { valid: false, sources: sourcesOf(layers), problems, warnings }
  const { loaded, ...found } = await followRoot(here, settle(reading))
  const manifest = await readManifest(root, loaded.config.agents.manifest)
  const wrong = [...manifest.problems, ...missingInstructions(manifest)]
  return {
    valid: wrong.length === 0,
    sources: [...sourcesOf(layers), ...(manifest.source === null ? [] : [manifest.source.file])],
    problems: wrong,
    warnings: [
      ...found.warnings,
      ...unknownRuntimes(loaded, manifest),
      ...(await foreignModels(loaded, manifest)),
      ...contradictions(loaded),
      ...gatesWithoutCommand(loaded, found.root),
      ...(await missingBranch(loaded, found.root)),
      ...missingManifest(loaded, manifest),
    ],
  }
}

function sourcesOf(layers: readonly Layer[]): string[] {
  return layers.map((layer) => layer.file)
}

/** A remark about the value of a key of `overstory.yaml`, at the place it was set. */
function remark({ layers }: Loaded, path: readonly PropertyKey[], message: string): Problem {
  return { ...placeOf(layers, path), key: keyName(path), message }
}

function missingInstructions({ roles, source }: Manifest): Problem[] {
  return CAPABILITIES.flatMap((capability) => {
    const file = roles[capability].instructions
    if (source === null || file === undefined || existsSync(file)) return []
    const path = [capability, 'instructions']
    const message = `${keyName(path)} names ${file}, which does not exist`
    return [{ file: source.file, place: source.place(path, 'value'), key: keyName(path), message }]
  })
}

function unknownRuntimes(loaded: Loaded, { roles, source }: Manifest): Problem[] {
  const known = runtimeIds()
  const say = (key: string, id: string) => {
    const near = nearest(id, known)
    return `${key}: there is no runtime "${id}". ${near === null ? `Known: ${known.join(', ')}` : `Did you mean "${near}"?`}`
  }
  const { runtime, models } = loaded.config
  const settings: [string[], string | undefined][] = [
    [['runtime', 'default'], runtime.default],
    ...CAPABILITIES.map((name): [string[], string | undefined] => [
      ['runtime', 'capabilities', name],
      runtime.capabilities[name],
    ]),
    ...runtime.fallback.map((id, at): [string[], string] => [['runtime', 'fallback', String(at)], id]),
    ...CAPABILITIES.flatMap((name) => {
      const entry = models[name]
      return typeof entry === 'object'
        ? Object.keys(entry).map((id): [string[], string] => [['models', name, id], id])
        : []
    }),
  ]
  const unknown = (id: string | undefined): id is string => id !== undefined && !known.includes(id)
  return [
    ...settings.flatMap(([path, id]) => (unknown(id) ? [remark(loaded, path, say(path.join('.'), id))] : [])),
    ...CAPABILITIES.flatMap((name) => {
      const id = roles[name].runtime
      if (source === null || !unknown(id)) return []
      const path = [name, 'runtime']
      return [
        { file: source.file, place: source.place(path, 'value'), key: keyName(path), message: say(keyName(path), id) },
      ]
    }),
  ]
}

/** Models that would be refused when an agent is slung. */
async function foreignModels(loaded: Loaded, { roles }: Manifest): Promise<Problem[]> {
  const { models } = loaded.config
  const known = runtimeIds()
  const adapters = new Map((await loadedRuntimes()).map((runtime) => [runtime.id, runtime] as const))
  const remarks = CAPABILITIES.flatMap((capability) => {
    const entry = models[capability]
    const route = routeFor(loaded.config, roles[capability], known, { capability })
    const wanted: [PropertyKey[], string, string][] =
      typeof entry === 'object'
        ? Object.entries(entry).map(([id, model]) => [['models', capability, id], id, model])
        : entry !== undefined && route.model === entry
          ? [[['models', capability], route.runtime, entry]]
          : []
    return wanted.map(([path, id, model]) => {
      const runtime = adapters.get(id)
      const owner = runtime === undefined ? null : ownerOfModel(model, runtime, [...adapters.values()])
      const message = `${keyName(path)}: "${model}" is a model of ${owner?.title}, not of ${runtime?.title}`
      return owner === null ? null : remark(loaded, path, message)
    })
  })
  return remarks.filter((one) => one !== null)
}

function contradictions(loaded: Loaded): Problem[] {
  const { models, runtime } = loaded.config
  const known = runtimeIds()
  return CAPABILITIES.flatMap((name) => {
    const [model, chosen] = [models[name], runtime.capabilities[name]]
    if (typeof model !== 'string' || chosen === undefined || model === chosen || !known.includes(model)) return []
    return [
      remark(
        loaded,
        ['models', name],
        `models.${name} names the runtime ${model}, but runtime.capabilities.${name} says ${chosen}, which holds`,
      ),
    ]
  })
}

function gatesWithoutCommand(loaded: Loaded, root: string): Problem[] {
  const wanted = loaded.config.project.qualityGates
  if (wanted.length === 0) return []
  const { gates } = detectProject(root)
  return wanted.flatMap((gate, index) => {
    if (typeof gate !== 'string' || gates[gate] !== undefined) return []
    const found = Object.keys(gates)
    const message = `the gate "${gate}" stands for no command of this project and would never be green. ${
      found.length === 0 ? 'No checks were found' : `Found: ${found.join(', ')}`
    }. Give it one: {name: ${gate}, command: …}`
    return [remark(loaded, ['project', 'qualityGates', index], message)]
  })
}

async function missingBranch(loaded: Loaded, root: string): Promise<Problem[]> {
  const branch = loaded.config.project.canonicalBranch
  if (branch === undefined || (await commitOf(gitAt(root), `refs/heads/${branch}`)) !== null) return []
  const path = ['project', 'canonicalBranch']
  return [remark(loaded, path, `project.canonicalBranch: there is no branch "${branch}" with a commit`)]
}

/** The usual name may be missing; a name that somebody chose is likely a mistake. */
function missingManifest(loaded: Loaded, { source }: Manifest): Problem[] {
  const { manifest } = loaded.config.agents
  if (source !== null || manifest === 'agent-manifest.json') return []
  const path = ['agents', 'manifest']
  return [remark(loaded, path, `agents.manifest names ${manifest}, which does not exist; the built-in roles hold`)]
}
