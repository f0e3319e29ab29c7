import { Args, Flags } from '@oclif/core'
import { namedAgent } from '../src/agents/named.ts'
import { attachTo } from '../src/cli/attach.ts'
import { OvCommand } from '../src/cli/command.ts'

export default class Attach extends OvCommand {
  static override summary = 'Look at the screen of an agent at work'
  static override description =
    'Leave it with Ctrl-b d; the agent works on. Into an interactive agent you can type; another one you watch. With --json: the command that attaches, instead of attaching.'
  static override examples = ['<%= config.bin %> attach builder-1', '<%= config.bin %> attach builder-1 --no-write']
  static override args = { agent: Args.string({ required: true, description: 'name of the agent' }) }
  static override flags = {
    write: Flags.boolean({
      allowNo: true,
      description: 'let what you type reach the agent, Ctrl-C too (default: only where it is interactive)',
    }),
  }

  async run() {
    const { args, flags } = await this.parse(Attach)
    const project = await this.project()
    return attachTo(project, await namedAgent(project, args.agent), { ...flags, json: this.jsonEnabled() })
  }
}
