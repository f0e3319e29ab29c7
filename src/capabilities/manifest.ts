import { resolve } from 'node:path'
import * as z from 'zod'
import { checkSource, ONCE } from '../config/check.ts'
import { readSource, type Source } from '../config/document.ts'
import type { Problem } from '../config/problem.ts'
import { path, perCapability } from '../config/schema.ts'
import { CAPABILITIES, type Capability } from '../contract/states.ts'

const role = z.strictObject({
  instructions: path
    .optional()
    .describe('File with instructions that replace the built-in ones, relative to the project or absolute.'),
  runtime: z.string().min(1).optional().describe('Agent CLI, where overstory.yaml names none for this capability.'),
  model: z.string().min(1).optional().describe('Model, where overstory.yaml names none for this capability.'),
  tools: z
    .array(z.string().min(1))
    .optional()
    .describe('The tools it may use, in the names of its runtime; no others.'),
  readOnly: z.boolean().optional().describe('It looks and reports; it changes no file and has nothing to merge.'),
  maySpawn: z.boolean().optional().describe('It may sling agents of its own.'),
})

const manifestSchema = perCapability((capability) => role.describe(`The role of a ${capability}.`))

/** What a capability is: what it may do, and what it works with. */
export interface Role {
  readonly readOnly: boolean
  readonly maySpawn: boolean
  readonly runtime?: string | undefined
  readonly model?: string | undefined
  /** Absolute path of the instructions file; absent, the built-in one. */
  readonly instructions?: string | undefined
  /** The tools it may use, in the names of its runtime; absent, the runtime's default. */
  readonly tools?: readonly string[] | undefined
}

/** One role for each capability, as a project has them. */
export type Roles = Readonly<Record<Capability, Role>>

const BUILT_IN_ROLES: Roles = {
  coordinator: { readOnly: true, maySpawn: true },
  lead: { readOnly: false, maySpawn: true },
  scout: { readOnly: true, maySpawn: false },
  builder: { readOnly: false, maySpawn: false },
  reviewer: { readOnly: true, maySpawn: false },
  merger: { readOnly: false, maySpawn: false },
  monitor: { readOnly: true, maySpawn: false },
}

export interface Manifest {
  readonly roles: Roles
  /** The file, with the way back to its lines; null where there is none and the built-in roles hold. */
  readonly source: Source | null
  readonly problems: readonly Problem[]
}

/**
 * Reads the agent manifest: what it says of a role, key by key, over what is built in. No file means the built-in roles.
 *
 * @param root folder of the configuration, where relative paths start
 * @param file `agents.manifest`
 */
export async function readManifest(root: string, file: string): Promise<Manifest> {
  const read = await readSource(resolve(root, file), file)
  if (read?.source == null) return { roles: BUILT_IN_ROLES, source: null, problems: read?.problems ?? [] }
  const { value, problems } = checkSource(manifestSchema, read.source)
  const all = [...read.problems, ...problems]
  if (all.length > 0) return { roles: BUILT_IN_ROLES, source: null, problems: all }
  const settings = manifestSchema.parse(value, ONCE)
  const roles = CAPABILITIES.map((name): [Capability, Role] => [name, roleFrom(name, settings[name], root)])
  return { roles: Object.fromEntries(roles) as Roles, source: { ...read.source, value }, problems: [] }
}

function roleFrom(capability: Capability, settings: z.output<typeof role> | undefined, root: string): Role {
  const { readOnly, maySpawn } = BUILT_IN_ROLES[capability]
  return {
    ...settings,
    readOnly: settings?.readOnly ?? readOnly,
    maySpawn: settings?.maySpawn ?? maySpawn,
    instructions: settings?.instructions === undefined ? undefined : resolve(root, settings.instructions),
  }
}
