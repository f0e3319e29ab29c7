import { describeState } from '../src/agents/rules.ts'
import { agentsOfRun, stateOf } from '../src/agents/store.ts'
import { OvCommand } from '../src/cli/command.ts'
import { currentRun, listRuns } from '../src/tasks/runs.ts'

export default class Status extends OvCommand {
  static override summary = 'What is going on'

  async run() {
    const project = await this.project()
    const run = (await currentRun(project.db)) ?? (await listRuns(project.db)).at(-1)
    const agents = run ? await agentsOfRun(project.db, run.id) : []
    for (const agent of agents) this.log(`${agent.name.padEnd(16)} ${describeState(stateOf(agent))}`)
    return { agents }
  }
}
