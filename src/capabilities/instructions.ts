import { readFileSync } from 'node:fs'
import type { Agent } from '../agents/store.ts'
import type { Project } from '../project.ts'
import type { Task } from '../tasks/store.ts'
import { instructionsFile } from './instructions-file.ts'
import { agentsCommands, vocabulary } from './vocabulary.ts'

/** What an agent is told for good: its role, what it may type, then what is its own: place, scope, gates. */
export function instructionsFor(project: Project, agent: Agent, task: Task, parentName: string): string {
  const { tools, readOnly, maySpawn } = project.roles[agent.capability]
  const scope: string[] = task.files_json === null ? [] : JSON.parse(task.files_json)
  const gates = project.config.project.qualityGates.map((gate) =>
    typeof gate === 'string' ? gate : `${gate.name} (\`${gate.command}\`)`,
  )
  const overlay = [
    agent.persistent === 1 ? '## You' : '## This task',
    `- You are \`${agent.name}\`, a ${agent.capability}. You report to \`${parentName}\`.`,
    agent.persistent === 1
      ? '- The current directory is a checkout of your own to read in. Before each of your turns it is brought to the newest commit that passed its gates.'
      : `- Your worktree is the current directory, on branch \`${agent.branch}\`. Stay in it. Never push, never switch branches, never touch another worktree.`,
    ...(scope.length === 0
      ? []
      : [`- Scope: change only files under ${scope.map((path) => `\`${path}\``).join(', ')}.`]),
    ...(tools === undefined ? [] : [`- Use only these tools: ${tools.join(', ')}.`]),
    ...(readOnly
      ? ['- You are read-only: change no file.']
      : [
          `- Quality gates that run on your work after the merge: ${gates.length === 0 ? 'none are configured' : gates.join(', ')}. Run them yourself first.`,
        ]),
  ]
  const role = readFileSync(instructionsFile(project, agent.capability), 'utf8').trim()
  const kind = { hasTask: agent.persistent === 0, maySpawn, monitors: agent.capability === 'monitor' }
  const words = vocabulary(agentsCommands(), kind)
  return `${[role, words, overlay.join('\n')].filter((part) => part !== '').join('\n\n')}\n`
}
