import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Slung, sling } from '../agents/sling.ts'
import { commitAll, gitAt } from '../os/git.ts'
import { runnersOf } from '../os/tree.ts'
import type { Project } from '../project.ts'

/** One agent of the demo: a command that plays a coding agent. */
interface Part {
  readonly name: string
  readonly task: string
  readonly command: string
}

/** Three agents: one writes and mails, one waits for that mail and uses it, one gets its work back from a red gate. */
const PARTS: readonly Part[] = [
  {
    name: 'writer',
    task: 'Greet in three languages',
    command: `printf 'hello\\nbonjour\\nhallo\\n' > greetings.txt
ov mail send --to poster --subject 'The greetings' --body "$(cat greetings.txt)"`,
  },
  {
    name: 'poster',
    task: 'Make a poster of the greetings',
    command: `{ echo '# Poster'; ov mail wait --from writer --timeout 30; } > POSTER.md`,
  },
  {
    name: 'shouter',
    task: 'Shout',
    command: `if [ -n "\${OV_FEEDBACK-}" ]; then
  echo "the gate said:"; cat "$OV_FEEDBACK"
  echo 'HELLO WORLD' > shout.txt
else
  echo 'hello world' > shout.txt
fi`,
  },
]

const CHECK = `#!/bin/sh
# The quality gate of this repository: a shout has no small letters.
if grep -n '[a-z]' shout.txt 2>/dev/null; then
  echo 'shout.txt must be in capitals'
  exit 1
fi
`

const CONFIG = `# A throw-away project.
project:
  name: ov-demo
  canonicalBranch: main
  qualityGates:
    - { name: tests-pass, command: sh check.sh }
`

/** Makes the throw-away repository, with one commit, and gives its path. */
export async function makeDemoRepository(): Promise<string> {
  const path = mkdtempSync(join(tmpdir(), 'ov-demo-'))
  const git = gitAt(path)
  await git.raw('init', '--quiet', '--initial-branch=main')
  writeFileSync(join(path, 'README.md'), '# A repository to play in\n')
  writeFileSync(join(path, 'check.sh'), CHECK)
  writeFileSync(join(path, 'overstory.yaml'), CONFIG)
  await commitAll(git, 'First commit')
  return path
}

/** Removes a repository that `makeDemoRepository` made, once nobody is at work in it any more. */
export async function removeDemoRepository(path: string, slung: readonly Slung[]): Promise<void> {
  const deadline = performance.now() + 10_000
  while (performance.now() < deadline && slung.some(({ agent }) => runnersOf(agent.id).length > 0)) await delay(50)
  rmSync(path, { recursive: true, force: true })
}

/** Slings the demo's three tasks. */
export async function slingDemo(project: Project): Promise<Slung[]> {
  const slung: Slung[] = []
  // The reader first: mail to somebody who is not there yet would be refused.
  for (const name of ['poster', 'writer', 'shouter']) {
    const part = PARTS.find((one) => one.name === name)
    if (part) slung.push(await sling(project, null, { capability: 'builder', runtime: 'shell', ...part }))
  }
  return slung
}

/** What lies in the repository now, by path. */
export async function demoTree(project: Project): Promise<string[]> {
  return (await project.git.raw('ls-tree', '-r', '--name-only', 'HEAD')).split('\n').filter((line) => line !== '')
}

/** The commits of the canonical branch, newest first, with who made them. */
export function demoLog(project: Project): Promise<string> {
  return project.git.raw('log', '--graph', '--format=%h %s%d %(trailers:key=Ov-Agent,separator=%x20)', 'HEAD')
}
