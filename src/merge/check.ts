import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { agentEnvironment } from '../agents/environment.ts'
import { redactorOf } from '../agents/redact.ts'
import { newId } from '../ids.ts'
import { addWorktree, removeWorktree } from '../os/git.ts'
import { run } from '../os/process.ts'
import type { Project } from '../project.ts'
import { setUpWorktree } from '../worktrees/prepare.ts'
import { resolveGates } from './gates.ts'

export type Checked =
  | { readonly green: true; readonly gates: readonly string[] }
  | { readonly green: false; readonly gate: string; readonly why: 'gate' | 'setup'; readonly output: string }

/** Characters of a red gate's output that go back to the author. */
const OUTPUT = 6_000

/** Runs the gates on exactly this commit, in a scratch worktree that is made for it and removed after it. */
export async function checkCommit(
  project: Project,
  commit: string,
  onGate: (gate: string) => void = () => undefined,
): Promise<Checked> {
  if (project.config.project.qualityGates.length === 0) return { green: true, gates: [] }
  const path = join(project.stateDir, 'scratch', newId())
  const env = { ...agentEnvironment(process.env, { environment: [] }, []), CI: 'true' }
  const redact = redactorOf(process.env)
  try {
    await addWorktree(project.git, path, { detach: commit })
    const failed = await setUpWorktree(project, path, env)
    if (failed !== null) return { green: false, gate: 'setup', why: 'setup', output: redact(failed) }
    const gates = resolveGates(project.config, path)
    for (const gate of gates) {
      if (gate.command === null) {
        return {
          green: false,
          gate: gate.name,
          why: 'gate',
          output: `The gate "${gate.name}" resolves to no command in this commit. Give it one in overstory.yaml: {name: ${gate.name}, command: …}`,
        }
      }
      onGate(gate.name)
      const outcome = await run(['/bin/sh', '-c', gate.command], {
        cwd: path,
        env,
        timeoutMs: gate.timeoutMs,
        maxOutput: OUTPUT,
      })
      if (!outcome.ok) {
        const end = outcome.timedOut
          ? `did not end within ${gate.timeoutMs / 1000} s`
          : `ended with ${outcome.signal ?? `exit code ${outcome.code}`}`
        return {
          green: false,
          gate: gate.name,
          why: 'gate',
          output: redact(`$ ${gate.command}\n${outcome.output.trim()}\n(${end})`),
        }
      }
    }
    return { green: true, gates: gates.map((gate) => gate.name) }
  } finally {
    if (existsSync(path)) {
      await removeWorktree(project.git, path, { force: true })
      rmSync(path, { recursive: true, force: true })
    }
  }
}
