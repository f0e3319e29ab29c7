import { join } from 'node:path'

/** Where a project's state lives. */
export function stateDirOf(root: string): string {
  return join(root, '.overstory')
}

/** The one database of a project. */
export function databaseOf(root: string): string {
  return join(stateDirOf(root), 'state.db')
}
