import { Args, Flags } from '@oclif/core'
import { screenOf } from '../src/agents/attach.ts'
import { namedAgent } from '../src/agents/named.ts'
import { OvCommand } from '../src/cli/command.ts'
import { OvError } from '../src/errors.ts'
import { runOnTerminal } from '../src/os/process.ts'

export default class Attach extends OvCommand {
  static override summary = 'Look at the screen of an agent at work'
  static override description =
    'Leave it with Ctrl-b d; the agent works on. With --json: the command that attaches, instead of attaching.'
  static override examples = ['<%= config.bin %> attach builder-1']
  static override args = { agent: Args.string({ required: true, description: 'name of the agent' }) }
  static override flags = {
    write: Flags.boolean({ default: false, description: 'let what you type reach the agent, Ctrl-C too' }),
  }

  async run() {
    const { args, flags } = await this.parse(Attach)
    const project = await this.project()
    const agent = await namedAgent(project, args.agent)
    const command = await screenOf(project, agent, flags)
    if (this.jsonEnabled()) return { agent: agent.name, command }
    if (!process.stdin.isTTY || !process.stdout.isTTY) {
      throw new OvError('user', 'attach.no-terminal', 'To attach takes a terminal.', {
        hint: `Follow it instead: ov logs ${agent.name} -f`,
      })
    }
    // tmux refuses to run inside another one; ours is a server of its own, so it may.
    const { TMUX: _outer, ...env } = process.env
    process.exitCode = await runOnTerminal(command, env)
    return undefined
  }
}
