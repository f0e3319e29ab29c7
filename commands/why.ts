import { Args } from '@oclif/core'
import { namedAgent } from '../src/agents/named.ts'
import { OvCommand } from '../src/cli/command.ts'
import { screenWidth } from '../src/cli/style.ts'
import { whyScreen } from '../src/cli/why-screen.ts'
import { explainAgent } from '../src/reports/explain.ts'
import type { Explanation } from '../src/reports/why.ts'

export default class Why extends OvCommand {
  static override summary = 'Say why an agent is in its state, and what happens next, when'
  static override description =
    'What is seen of it (the kernel is asked just now), what was done about it lately, and what follows if nobody does anything. Everything else about it: ov inspect.'
  static override examples = ['<%= config.bin %> why builder-1']
  static override args = { agent: Args.string({ required: true, description: 'name of the agent' }) }

  async run(): Promise<Explanation> {
    const { args } = await this.parse(Why)
    const project = await this.project()
    const explanation = await explainAgent(project, await namedAgent(project, args.agent))
    for (const line of whyScreen(explanation, screenWidth())) this.log(line)
    return explanation
  }
}
