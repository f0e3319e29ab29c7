import * as z from 'zod'
import { CAPABILITIES } from '../contract/states.ts'

/** `60s`, `2m`, `1h`, `500ms`, or a number of seconds; gives milliseconds. */
const duration = z
  .union([
    z.string().regex(/^\d+(\.\d+)?(ms|s|m|h)$/, 'a duration such as 500ms, 60s, 10m or 1h'),
    z.number().nonnegative(),
  ])
  .transform((value) => {
    if (typeof value === 'number') return value * 1000
    const [, amount = '0', unit = 's'] = /^([\d.]+)(ms|s|m|h)$/.exec(value) ?? []
    return Number(amount) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit as 'ms' | 's' | 'm' | 'h']
  })

const gate = z.union([
  z.string().min(1),
  z.strictObject({ name: z.string().min(1), command: z.string().min(1), timeout: duration.optional() }),
])

const capability = z.enum(CAPABILITIES)

const section = z.strictObject({
  args: z.array(z.string()).default([]),
  env: z
    .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*\*?$/, 'a variable name; values stay in the environment'))
    .default([]),
  binary: z.string().optional(),
})

/** The whole of `overstory.yaml`. Every key has a default; unknown keys are refused. */
export const configSchema = z.strictObject({
  project: z
    .strictObject({
      name: z.string().min(1).optional(),
      root: z.string().min(1).optional(),
      canonicalBranch: z.string().min(1).optional(),
      qualityGates: z.array(gate).default([]),
    })
    .prefault({}),
  agents: z
    .strictObject({
      manifest: z.string().default('agent-manifest.json'),
      maxConcurrent: z.number().int().min(1).max(500).default(5),
      maxDepth: z.number().int().min(0).max(10).default(3),
      maxSessionsPerRun: z.number().int().min(1).default(100),
    })
    .prefault({}),
  worktrees: z
    .strictObject({
      baseDir: z.string().default('.overstory/worktrees'),
      setup: z.array(z.string()).default([]),
      copy: z.array(z.string()).default([]),
    })
    .prefault({}),
  merge: z
    .strictObject({
      auto: z.boolean().default(true),
      maxAttempts: z.number().int().min(1).max(20).default(3),
      gateTimeout: duration.default(600_000),
    })
    .prefault({}),
  watchdog: z
    .strictObject({
      tier0: z
        .strictObject({
          enabled: z.boolean().default(true),
          interval: duration.default(60_000),
          nudgeAfter: duration.default(120_000),
        })
        .prefault({}),
      tier1: z
        .strictObject({ enabled: z.boolean().default(true), model: z.string().default('claude-haiku') })
        .prefault({}),
    })
    .prefault({}),
  models: z.partialRecord(capability, z.string()).default({}),
  runtime: z
    .object({
      default: z.string().default('claude'),
      capabilities: z.partialRecord(capability, z.string()).default({}),
    })
    .catchall(section)
    .prefault({}),
})

export type Config = z.infer<typeof configSchema>
export type RuntimeSection = z.infer<typeof section>

/** The settings of one runtime (`runtime.<name>`), or their defaults. */
export function runtimeSection(config: Config, runtime: string): RuntimeSection {
  const found = config.runtime[runtime]
  return typeof found === 'object' && 'args' in found ? (found as RuntimeSection) : section.parse({})
}
export type GateSetting = z.infer<typeof gate>
