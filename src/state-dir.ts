import { join } from 'node:path'

/** Where a project's state lives. */
export function stateDirOf(root: string): string {
  return join(root, '.overstory')
}

/** The one database of a project. */
export function databaseOf(root: string): string {
  return join(stateDirOf(root), 'state.db')
}

/** Raw output of an agent and its runner, in a project's state: disposable, never the only copy of anything. */
export function logFolder({ stateDir }: { readonly stateDir: string }, agent: { readonly id: string }): string {
  return join(stateDir, 'logs', agent.id)
}

/** What an agent's CLI said and was given, line by line. */
export function outputFile(project: { readonly stateDir: string }, agent: { readonly id: string }): string {
  return join(logFolder(project, agent), 'output.ndjson')
}
