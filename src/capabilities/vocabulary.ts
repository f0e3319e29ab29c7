import * as z from 'zod'
import { readText } from '../os/files.ts'
import { MANIFEST } from '../place.ts'

/*
 * What an agent may type, from the registry of commands itself: what the build writes of each command class
 * (oclif.manifest.json). So no prompt can promise a command or flag that isn't there.
 */

/**
 * Whom a command is for inside an agent: `everyone`; `task`, who has a task of its own that ends; `spawner`, who may
 * sling others; `monitor`, who looks after them.
 */
export type Audience = 'everyone' | 'task' | 'spawner' | 'monitor'

const flag = z.looseObject({
  name: z.string(),
  type: z.string(),
  description: z.string().optional(),
  helpGroup: z.string().optional(),
  helpValue: z.string().optional(),
  hidden: z.boolean().optional(),
  options: z.array(z.string()).optional(),
})
type Flag = z.infer<typeof flag>

const command = z.looseObject({
  id: z.string(),
  summary: z.string().optional(),
  examples: z.array(z.string()).default([]),
  forAgents: z.enum(['everyone', 'task', 'spawner', 'monitor']),
  flags: z.record(z.string(), flag),
})
export type AgentsCommand = z.infer<typeof command>

const manifest = z.looseObject({ commands: z.record(z.string(), z.unknown()) })

/** Largest registry that is read, in bytes. */
const LIMIT = 4 * 1024 * 1024

/** The commands that are for agents; none where `ov` runs from sources that were never built. */
export function agentsCommands(): AgentsCommand[] {
  const text = readText(MANIFEST, LIMIT)
  if (text === null) return []
  // What doesn't say that it is for agents isn't.
  return Object.values(manifest.parse(JSON.parse(text)).commands).flatMap((one) => command.safeParse(one).data ?? [])
}

/** What an agent of a kind may type, as a section of its instructions; empty when there are none. */
export function vocabulary(
  commands: readonly AgentsCommand[],
  {
    hasTask,
    maySpawn,
    monitors,
  }: { readonly hasTask: boolean; readonly maySpawn: boolean; readonly monitors: boolean },
): string {
  const audiences: readonly Audience[] = [
    'everyone',
    ...(hasTask ? (['task'] as const) : []),
    ...(maySpawn ? (['spawner'] as const) : []),
    ...(monitors ? (['monitor'] as const) : []),
  ]
  const lines = commands
    .filter(({ forAgents }) => audiences.includes(forAgents))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map(lineOf)
  return lines.length === 0 ? '' : ['## What `ov` takes from you', ...lines].join('\n')
}

/** Its first example, as it can be typed, what it is for, and all it takes. */
function lineOf({ id, summary = '', examples, flags }: AgentsCommand): string {
  const example = (examples[0] ?? `ov ${id.replaceAll(':', ' ')}`).replace('<%= config.bin %>', 'ov')
  const own = Object.values(flags).filter(({ helpGroup, hidden }) => helpGroup !== 'GLOBAL' && hidden !== true)
  const takes = own.length === 0 ? '' : ` Takes ${own.map((one) => `\`${usageOf(one)}\``).join(', ')}.`
  return `- \`${example}\`: ${summary.replace(/^Inside an? (agent|monitor): /, '')}.${takes}`
}

/** How a flag is typed: `--wait`, `--to ADDRESS`, `--type status|question`, `--body "…"`. */
function usageOf({ name, type, options, helpValue }: Flag): string {
  if (type === 'boolean') return `--${name}`
  return `--${name} ${options?.join('|') ?? helpValue ?? '"…"'}`
}
