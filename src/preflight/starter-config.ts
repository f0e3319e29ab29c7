import { stringify } from 'yaml'
import { oneLine } from '../mail/frame.ts'
import type { Detected } from './detect.ts'

/** What a new `overstory.yaml` says: only what was found here and is no default. */
export interface Starter {
  readonly branch: string | null
  readonly detected: Detected
  /** Ignored files that a worktree needs a copy of. */
  readonly copy: readonly string[]
  /** The runtime to write down, when the default one is not installed here. */
  readonly runtime: string | null
}

/** The gates that are written down; what else was found may be added by name. */
const GATES = ['tests-pass', 'lint-clean', 'type-check']

/** The text of a new `overstory.yaml`. `schema` is its JSON schema's path, relative to the file. */
export function starterConfig({ branch, detected, copy, runtime }: Starter, schema: string): string {
  const gates = GATES.filter((name) => detected.gates[name] !== undefined)
  const width = Math.max(...GATES.map((name) => name.length))
  const sections: string[][] = [
    [
      `# yaml-language-server: $schema=${schema}`,
      '#',
      '# ov: a fleet of coding agents, one git worktree each. Only what differs from the defaults is here.',
      '# All keys and what they mean: ov config schema    Where each value comes from: ov config explain',
      '# Yours alone, laid over this file and ignored by git: overstory.local.yaml',
    ],
    [
      'project:',
      ...(branch === null
        ? []
        : [
            '  # The branch that moves only to commits that passed every gate.',
            `  canonicalBranch: ${scalar(branch)}`,
          ]),
      ...(gates.length === 0
        ? [
            '  # No checks were found, so whatever an agent commits is merged. Name what must pass on the exact commit:',
            '  # qualityGates:',
            '  #   - { name: tests-pass, command: "./run-tests", timeout: 10m }',
            '  qualityGates: []',
          ]
        : [
            `  # What must pass on the exact commit. The names stand for the checks of ${oneLine(detected.evidence, 80)}:`,
            ...gates.map((name) => `  #   ${name.padEnd(width)}  ${oneLine(detected.gates[name] ?? '', 200)}`),
            '  # One of your own: { name: e2e, command: "./e2e", timeout: 10m }',
            `  qualityGates: [${gates.join(', ')}]`,
          ]),
    ],
  ]
  if (detected.setup.length + copy.length > 0) {
    sections.push([
      'worktrees:',
      ...(detected.setup.length === 0
        ? []
        : [
            '  # Run in each fresh worktree, before its agent starts and before its gates.',
            '  setup:',
            ...list(detected.setup),
          ]),
      ...(copy.length === 0
        ? []
        : ['  # Ignored files that are copied into each worktree. Agents can read them.', '  copy:', ...list(copy)]),
    ])
  }
  if (runtime !== null)
    sections.push([
      'runtime:',
      '  # Which agent CLI works unless another is asked for.',
      `  default: ${scalar(runtime)}`,
    ])
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`
}

function list(items: readonly string[]): string[] {
  return items.map((item) => `    - ${scalar(item)}`)
}

/** A value on one line, quoted where YAML needs it. */
function scalar(text: string): string {
  return stringify(text, { lineWidth: 0, defaultStringType: 'PLAIN' }).trimEnd()
}
