import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Agent } from '../agents/store.ts'
import { BROKER_VARIABLE } from '../broker/protocol.ts'
import type { AgentRuntime, PlannedFile, PlannedLink } from '../contract/runtime.ts'
import { privateFolder } from '../hooks/folder.ts'
import { copyWhole, linkWhole, readText, writeWhole } from '../os/files.ts'
import { removeAll } from '../os/scrub.ts'
import { AGENT_MARKER } from '../os/tree.ts'
import { OV_MAIN } from '../place.ts'
import type { Project } from '../project.ts'
import { agentEnvironmentOf } from '../runtimes/environment.ts'
import { worktreePath } from '../worktrees/prepare.ts'
import { type Redact, redactorOf } from './redact.ts'

/** Where an agent works and by what it reaches `ov`. All paths are absolute. */
export interface Workplace {
  readonly worktree: string
  /** Outside the worktree: its config, hooks and prompt files, its `ov`. */
  readonly privateDir: string
  readonly brokerPath: string
  /** File that carries a failed attempt's output to a command. */
  readonly feedbackFile: string
  readonly environment: Readonly<Record<string, string>>
  /** A session id for runtimes that let one choose. */
  readonly sessionId: string
  readonly redact: Redact
}

/** An agent's private folder. */
export function privateDirOf(project: Pick<Project, 'stateDir'>, agent: Pick<Agent, 'id'>): string {
  return privateFolder(project.stateDir, agent.id)
}

/** Makes the private folder of an agent and says what it will see of the host. */
export function furnish(project: Project, agent: Agent, runtime: AgentRuntime): Workplace {
  const privateDir = privateDirOf(project, agent)
  const bin = join(privateDir, 'bin')
  mkdirSync(bin, { recursive: true, mode: 0o700 })
  // The `ov` of an agent is the one that runs it, on the same Node, whatever the host's PATH says.
  writeWhole(join(bin, 'ov'), `#!/bin/sh\nexec ${quoted(process.execPath)} ${quoted(OV_MAIN)} "$@"\n`, 0o755)
  const environment = agentEnvironmentOf(project.config, runtime)
  // The name can't be guessed: whoever knows it speaks as this agent.
  const brokerPath = join(project.socketDir, `${randomBytes(12).toString('base64url')}.sock`)
  return {
    worktree: worktreePath(project, agent.worktree),
    privateDir,
    brokerPath,
    feedbackFile: join(privateDir, 'feedback.md'),
    environment: {
      ...environment,
      PATH: `${bin}:${process.env.PATH ?? ''}`,
      [BROKER_VARIABLE]: brokerPath,
      OV_AGENT: agent.name,
      [AGENT_MARKER]: agent.id,
    },
    sessionId: randomUUID(),
    redact: redactorOf({ ...process.env, ...environment }),
  }
}

/** Writes what a runtime needs into the private folder, readable by its owner alone, and links what it shares with the human. */
export function writePlanned(
  place: Pick<Workplace, 'privateDir'>,
  files: readonly PlannedFile[],
  links: readonly PlannedLink[] = [],
): void {
  for (const file of files) writeWhole(join(place.privateDir, file.path), file.content, file.executable ? 0o700 : 0o600)
  for (const { path, to, copy } of links) {
    if (existsSync(to)) (copy ? copyWhole : linkWhole)(join(place.privateDir, path), to)
  }
}

/** A file that a runtime left in the private folder; null when it didn't. */
export function readPlanned(place: Pick<Workplace, 'privateDir'>, path: string): string | null {
  return readText(join(place.privateDir, path))
}

/** Removes the private folder of an agent that has ended. */
export function clearOut(place: Workplace): void {
  removeAll(place.privateDir)
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
