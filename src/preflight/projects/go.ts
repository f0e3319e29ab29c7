import { type Finding, type Folder, firstOf } from '../project-type.ts'

/** go.mod or go.work: the go tool tests and vets; golangci-lint where it is configured. */
export function findGo(folder: Folder): Finding | null {
  const evidence = firstOf(folder, ['go.mod', 'go.work'])
  if (evidence === undefined) return null
  const packages = evidence === 'go.mod' ? ['./...'] : modulesOf(folder.text('go.work') ?? '')
  if (packages.length === 0) {
    const notes = ['go.work names no module, so there is nothing to check.']
    return { type: 'go', evidence, gates: {}, setup: [], programs: [], artefacts: [], notes }
  }
  const all = packages.join(' ')
  const linter = firstOf(folder, ['.golangci.yml', '.golangci.yaml', '.golangci.toml', '.golangci.json'])
  return {
    type: 'go',
    evidence,
    gates: {
      'tests-pass': `go test ${all}`,
      'lint-clean': linter === undefined ? `go vet ${all}` : `golangci-lint run ${all}`,
      // Without -o, a single main package would leave its binary in the worktree.
      'type-check': `go build -o /dev/null ${all}`,
      build: `go build -o /dev/null ${all}`,
    },
    setup: [],
    programs: ['go', ...(linter === undefined ? [] : ['golangci-lint'])],
    artefacts: [],
    notes: [],
  }
}

/** `./...` in a workspace's root matches nothing: each module is named. Only plain paths reach a command line. */
function modulesOf(work: string): string[] {
  const lines = work.replace(/\/\/.*$/gm, '')
  const blocks = [...lines.matchAll(/^\s*use\s*\(([^)]*)\)/gm)].flatMap((match) => (match[1] ?? '').split('\n'))
  const singles = [...lines.matchAll(/^\s*use\s+([^\s(]+)\s*$/gm)].map((match) => match[1] ?? '')
  return [...blocks, ...singles]
    .map((path) =>
      path
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .replace(/\/+$/, ''),
    )
    .filter((path) => /^\.(\/[\w.-]+)*$/.test(path) && !path.split('/').includes('..'))
    .map((path) => `${path}/...`)
}
