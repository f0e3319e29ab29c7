import { join } from 'node:path'
import { listFolder, readText } from '../os/files.ts'

export type ProjectType = 'node' | 'python' | 'rust' | 'go' | 'ruby' | 'java' | 'make' | 'none'

/** The gates that can be detected, by the names `project.qualityGates` uses. */
export const GATE_NAMES = ['tests-pass', 'lint-clean', 'type-check', 'build'] as const
export type GateName = (typeof GATE_NAMES)[number]

/** What one ecosystem's files say of a project. */
export interface Finding {
  readonly type: ProjectType
  /** The file that shows it. */
  readonly evidence: string
  /** Command lines; only what the project really has. */
  readonly gates: Readonly<Partial<Record<GateName, string>>>
  /** Commands a fresh worktree needs before anything runs in it. */
  readonly setup: readonly string[]
  /** Programs that the commands start. */
  readonly programs: readonly string[]
  /** Folders that set-up and checks make, which git should ignore. */
  readonly artefacts: readonly string[]
  /** What a person should know, such as a file that could not be read. */
  readonly notes: readonly string[]
}

/** The files of a project, read once each. */
export interface Folder {
  has(name: string): boolean
  /** Text of a file, null when there is none or it is not a plain file. */
  text(name: string): string | null
  /** Names in a folder below, or in the project's own folder. */
  list(name?: string): readonly string[]
}

export function folderAt(root: string): Folder {
  const names = listFolder(root)
  const texts = new Map<string, string | null>()
  const text = (name: string) => {
    const known = texts.get(name)
    if (known !== undefined) return known
    const read = readText(join(root, name))?.replace(/^\uFEFF/, '') ?? null
    texts.set(name, read)
    return read
  }
  return {
    has: (name) => (name.includes('/') ? text(name) !== null : names.includes(name)),
    text,
    list: (name) => (name === undefined ? names : listFolder(join(root, name))),
  }
}

/** The first of these names that is there. */
export function firstOf(folder: Folder, names: readonly string[]): string | undefined {
  return names.find((name) => folder.has(name))
}
