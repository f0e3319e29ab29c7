import { type Finding, type Folder, firstOf, type GateName } from '../project-type.ts'

/** Target names by gate; `check` is what GNU calls the tests. */
const TARGETS: Readonly<Record<GateName, readonly string[]>> = {
  'tests-pass': ['test', 'tests', 'check'],
  'lint-clean': ['lint'],
  'type-check': ['typecheck', 'type-check', 'types'],
  build: ['build', 'all'],
}

/** A Makefile, by the targets it has. */
export function findMake(folder: Folder): Finding | null {
  // In the order in which GNU make looks.
  const evidence = firstOf(folder, ['GNUmakefile', 'makefile', 'Makefile'])
  const text = evidence === undefined ? null : folder.text(evidence)
  if (evidence === undefined || text === null) return null
  const targets = new Set(
    [...text.matchAll(/^([\w./ -]+?)[ \t]*::?(?!=)/gm)].flatMap((match) => (match[1] ?? '').split(/\s+/)),
  )
  const gates: Partial<Record<GateName, string>> = {}
  for (const gate of Object.keys(TARGETS) as GateName[]) {
    const target = TARGETS[gate].find((name) => targets.has(name))
    if (target !== undefined) gates[gate] = `make ${target}`
  }
  return {
    type: 'make',
    evidence,
    gates,
    setup: [],
    programs: Object.keys(gates).length === 0 ? [] : ['make'],
    artefacts: [],
    notes: [],
  }
}
