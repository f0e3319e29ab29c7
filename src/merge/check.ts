import { agentEnvironment } from '../agents/environment.ts'
import { type Redact, redactorOf } from '../agents/redact.ts'
import { run } from '../os/process.ts'
import type { Project } from '../project.ts'
import { setUpWorktree } from '../worktrees/prepare.ts'
import { compactOutput } from './compact.ts'
import { type Gate, resolveGates } from './gates.ts'
import { inScratch, type Scratch } from './scratch.ts'

export type Checked = { readonly green: true; readonly gates: readonly string[] } | Red

export interface Red {
  readonly green: false
  readonly gate: string
  readonly why: 'gate' | 'setup'
  /** Compact and without secrets. */
  readonly output: string
}

/** Characters of a red gate's output that go back to the author. */
const REPORTED = 6_000
/** Characters kept of what a gate prints, from its beginning and from its end, before it is made compact. */
const KEPT = { headOutput: 64 * 1024, maxOutput: 256 * 1024 }

/** Runs the gates on exactly this commit, in a scratch worktree that is made for it and removed after it. */
export async function checkCommit(
  project: Project,
  commit: string,
  onGate: (gate: string) => unknown = () => undefined,
): Promise<Checked> {
  if (project.config.project.qualityGates.length === 0) return { green: true, gates: [] }
  // Nothing of the host's secrets: what runs here is what agents wrote.
  const env = { ...agentEnvironment(process.env, { environment: [] }, []), CI: 'true' }
  const redact = redactorOf(process.env)
  return inScratch(project, commit, async (scratch) => {
    const unfit = await setUpWorktree(project, scratch.path, env, scratch.id)
    if (unfit !== null)
      return { green: false, gate: 'setup', why: 'setup', output: redact(compactOutput(unfit, REPORTED)) }
    const gates = resolveGates(project.config, scratch.path)
    for (const gate of gates) {
      await onGate(gate.name)
      const red = await runGate(gate, scratch, env, redact)
      if (red !== null) return red
    }
    return { green: true, gates: gates.map((gate) => gate.name) }
  })
}

async function runGate(
  gate: Gate,
  scratch: Scratch,
  env: Readonly<Record<string, string>>,
  redact: Redact,
): Promise<Red | null> {
  const red = (output: string): Red => ({ green: false, gate: gate.name, why: 'gate', output })
  if (gate.command === null) return red(gate.advice)
  const outcome = await run(['/bin/sh', '-c', gate.command], {
    cwd: scratch.path,
    env,
    timeoutMs: gate.timeoutMs,
    job: scratch.id,
    ...KEPT,
  })
  if (outcome.ok) return null
  const end = outcome.timedOut
    ? `did not end within ${gate.timeoutMs / 1000} s and was killed`
    : `ended with ${outcome.signal ?? `exit code ${outcome.code}`}`
  return red(redact(`$ ${gate.command}\n${compactOutput(outcome.output, REPORTED)}\n(${end})`))
}
