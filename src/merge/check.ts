import { OvError } from '../errors.ts'
import { killJob, run } from '../os/process.ts'
import type { Project } from '../project.ts'
import { type Redact, redactorOf } from '../runner/redact.ts'
import { agentEnvironment } from '../runtimes/environment.ts'
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

export interface CheckOptions {
  readonly onGate?: (gate: string) => unknown
  /** Whoever waits for it has had enough: what runs is killed. */
  readonly gone?: AbortSignal | undefined
}

/**
 * Runs the gates on exactly this commit, in a scratch worktree that is made for it and removed after it.
 *
 * @throws {OvError} `merge.interrupted`
 */
export async function checkCommit(
  project: Project,
  commit: string,
  { onGate, gone }: CheckOptions = {},
): Promise<Checked> {
  if (project.config.project.qualityGates.length === 0) return { green: true, gates: [] }
  // Nothing of the host's secrets: what runs here is what agents wrote.
  const env = { ...agentEnvironment(process.env, { environment: [] }, []), CI: 'true' }
  return inScratch(project, commit, async (scratch) => {
    const end = () => void killJob(scratch.id)
    gone?.addEventListener('abort', end, { once: true })
    try {
      const checked = await checkIn(project, scratch, env, onGate)
      if (gone?.aborted) throw interrupted()
      return checked
    } finally {
      gone?.removeEventListener('abort', end)
    }
  })
}

/** The train was told to stop. */
export function interrupted(): OvError {
  return new OvError('interrupted', 'merge.interrupted', 'Stopped. What was not merged yet stays in the queue.', {
    hint: 'ov merge',
  })
}

async function checkIn(
  project: Project,
  scratch: Scratch,
  env: Readonly<Record<string, string>>,
  onGate: (gate: string) => unknown = () => undefined,
): Promise<Checked> {
  const redact = redactorOf(process.env)
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
  const said = compactOutput(outcome.output, REPORTED)
  return red(redact([`$ ${gate.command}`, ...(said === '' ? [] : [said]), `(${end})`].join('\n')))
}
