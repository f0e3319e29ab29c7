import type { Config } from '../config/schema.ts'
import { detectProject } from '../preflight/detect.ts'

/** A check that must pass on the exact commit. */
export interface Gate {
  readonly name: string
  /** Null when the name resolves to no command of the project, which is a red gate, never a skipped one. */
  readonly command: string | null
  readonly timeoutMs: number
}

/** The gates of a project as it lies in `folder` (the commit to be checked, not the human's checkout). */
export function resolveGates(config: Config, folder: string): Gate[] {
  const wanted = config.project.qualityGates
  if (wanted.length === 0) return []
  const detected = detectProject(folder)
  return wanted.map((gate) =>
    typeof gate === 'string'
      ? { name: gate, command: detected.gates[gate] ?? null, timeoutMs: config.merge.gateTimeout }
      : { name: gate.name, command: gate.command, timeoutMs: gate.timeout ?? config.merge.gateTimeout },
  )
}
