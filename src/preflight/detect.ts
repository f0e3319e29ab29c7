import { oneLine } from '../mail/frame.ts'
import { type Finding, type Folder, folderAt, type ProjectType } from './project-type.ts'
import { findGo } from './projects/go.ts'
import { findJava } from './projects/java.ts'
import { findMake } from './projects/make.ts'
import { findNode } from './projects/node.ts'
import { findPython } from './projects/python.ts'
import { findRuby } from './projects/ruby.ts'
import { findRust } from './projects/rust.ts'

/** What kind of project lies in a folder, and the commands that check it. */
export interface Detected {
  readonly type: ProjectType
  /** The file that shows it; empty for `none`. */
  readonly evidence: string
  /** Gate name → command line; only what the project really has. */
  readonly gates: Readonly<Record<string, string>>
  /** Commands a fresh worktree needs before anything runs in it. */
  readonly setup: readonly string[]
  /** Programs that the commands start. */
  readonly programs: readonly string[]
  /** Folders that set-up and checks make, which git should ignore. */
  readonly artefacts: readonly string[]
  /** What a person should know of what was found or could not be read. */
  readonly notes: readonly string[]
}

/** By priority: where several lie at the root, the first that has a check wins, else the first. */
const FINDERS: readonly ((folder: Folder) => Finding | null)[] = [
  findNode,
  findPython,
  findRust,
  findGo,
  findRuby,
  findJava,
  findMake,
]

/**
 * Looks at the files at the root of a project. Reads only, starts nothing, and never throws for what they hold:
 * the folder may be a commit that an agent made.
 */
export function detectProject(root: string): Detected {
  const folder = folderAt(root)
  const findings = FINDERS.flatMap((find) => find(folder) ?? [])
  const chosen = findings.find((finding) => Object.keys(finding.gates).length > 0) ?? findings[0]
  if (chosen === undefined) {
    return {
      type: 'none',
      evidence: '',
      gates: {},
      setup: [],
      programs: [],
      artefacts: [],
      notes: [...belowRoot(folder)],
    }
  }
  // A Makefile stands on top of any ecosystem: its targets fill the gates that the ecosystem itself leaves open.
  const make = findings.find((finding) => finding.type === 'make')
  const others = findings.filter((finding) => finding !== chosen && finding !== make)
  return {
    type: chosen.type,
    evidence: oneLine(chosen.evidence, 80),
    gates: { ...make?.gates, ...chosen.gates },
    setup: chosen.setup,
    programs: [...new Set([...chosen.programs, ...(make?.programs ?? [])])],
    artefacts: chosen.artefacts,
    notes: [
      ...chosen.notes,
      ...others.map(
        (other) => `${other.evidence} is there too; the checks are those of ${chosen.evidence} (${chosen.type}).`,
      ),
    ].map((note) => oneLine(note, 300)),
  }
}

/** A root without a project of its own may hold projects one level down: their checks must be named by a person. */
function belowRoot(folder: Folder): readonly string[] {
  const below = folder
    .list()
    .filter((name) => !name.startsWith('.') && name !== 'node_modules')
    .slice(0, 50)
    .flatMap((name) => {
      const evidence = ['package.json', 'pyproject.toml', 'Cargo.toml', 'go.mod', 'Gemfile', 'pom.xml'].find((file) =>
        folder.has(`${name}/${file}`),
      )
      return evidence === undefined ? [] : [oneLine(`${name}/${evidence}`, 80)]
    })
  return below.length === 0
    ? []
    : [`No project at the root, but ${below.slice(0, 3).join(', ')}: name their checks under project.qualityGates.`]
}
