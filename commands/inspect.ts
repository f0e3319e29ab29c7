import { Args } from '@oclif/core'
import { namedAgent } from '../src/agents/named.ts'
import { OvCommand } from '../src/cli/command.ts'
import { inspectScreen } from '../src/cli/inspect-screen.ts'
import { screenWidth } from '../src/cli/style.ts'
import { inspectAgent } from '../src/reports/inspect.ts'

export default class Inspect extends OvCommand {
  static override summary = 'See everything about one agent, and why it is in its state'
  static override examples = ['<%= config.bin %> inspect builder-1']
  static override args = { agent: Args.string({ required: true, description: 'name of the agent' }) }

  async run() {
    const { args } = await this.parse(Inspect)
    const project = await this.project()
    const inspection = await inspectAgent(project, await namedAgent(project, args.agent))
    for (const line of inspectScreen(inspection, screenWidth())) this.log(line)
    return inspection
  }
}
