import type { Config } from '../config/schema.ts'
import { oneLine } from '../mail/frame.ts'
import { detectProject } from '../preflight/detect.ts'

/** A check that must pass on the exact commit. */
export interface Gate {
  readonly name: string
  /** Null when the name resolves to no command of the project, which is a red gate, never a skipped one. */
  readonly command: string | null
  /** With no command: what to write so that there is one. */
  readonly advice: string
  readonly timeoutMs: number
}

/** The gates of a project as it lies in `folder` (the commit to be checked, not the human's checkout). */
export function resolveGates(config: Config, folder: string): Gate[] {
  const wanted = config.project.qualityGates
  if (wanted.length === 0) return []
  const detected = wanted.some((gate) => typeof gate === 'string') ? detectProject(folder).gates : {}
  return wanted.map((gate) => {
    if (typeof gate !== 'string') {
      const timeoutMs = gate.timeout ?? config.merge.gateTimeout
      return { name: gate.name, command: gate.command, advice: '', timeoutMs }
    }
    const command = Object.hasOwn(detected, gate) ? (detected[gate] ?? null) : null
    return {
      name: gate,
      command,
      advice: command === null ? adviceFor(gate, detected) : '',
      timeoutMs: config.merge.gateTimeout,
    }
  })
}

function adviceFor(name: string, detected: Readonly<Record<string, string>>): string {
  const known = Object.entries(detected).map(([gate, command]) => `  ${gate}: ${oneLine(command, 80)}`)
  return [
    `The gate "${name}" resolves to no command in this commit.`,
    known.length === 0 ? 'No check of the project was recognised.' : `Recognised here:\n${known.join('\n')}`,
    `Say in overstory.yaml what it runs:\nproject:\n  qualityGates:\n    - { name: ${name}, command: "…" }`,
  ].join('\n')
}
