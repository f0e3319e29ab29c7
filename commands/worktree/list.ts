import { relative } from 'node:path'
import { OvCommand } from '../../src/cli/command.ts'
import { screenWidth, style } from '../../src/cli/style.ts'
import { table } from '../../src/cli/table.ts'
import { poolFacts } from '../../src/worktrees/pool.ts'
import { surveyWorktrees } from '../../src/worktrees/survey.ts'

export default class WorktreeList extends OvCommand {
  static override summary = 'List the worktrees of agents, and what in them is not committed'
  static override examples = ['<%= config.bin %> worktree list']

  async run() {
    await this.parse(WorktreeList)
    const project = await this.project()
    const { root } = project
    const worktrees = (await surveyWorktrees(project)).map(({ agent, ...tree }) => ({
      agent: agent.name,
      state: agent.state,
      ...tree,
    }))
    if (worktrees.length === 0) this.say('No agent has a worktree.')
    else {
      const lines = table(
        worktrees,
        [
          { title: 'AGENT', cell: ({ agent }) => ({ text: agent, paint: style.bold }) },
          { title: 'STATE', cell: ({ state }) => state },
          {
            title: 'CHANGES',
            cell: ({ uncommitted: { length } }) => (length === 0 ? 'clean' : `${length} uncommitted`),
            goes: 2,
          },
          {
            title: 'PROCESSES',
            cell: ({ processes: { length } }) => (length === 0 ? '' : String(length)),
            align: 'right',
            goes: 4,
          },
          { title: 'BRANCH', cell: ({ branch }) => branch ?? '(none)', goes: 3 },
          { title: 'PATH', cell: ({ path }) => relative(root, path), min: 20, goes: 1 },
        ],
        { width: screenWidth(), paintTitle: style.dim },
      )
      for (const line of lines) this.log(line)
    }
    const pool = await poolFacts(project)
    if (pool.wanted > 0 || pool.ready > 0) this.say(`Prepared for the next agents: ${pool.ready} of ${pool.wanted}.`)
    return { worktrees, pool }
  }
}
