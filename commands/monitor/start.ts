import { Flags } from '@oclif/core'
import { OvCommand } from '../../src/cli/command.ts'
import { CHOICE_FLAGS, chosen, startedLine } from '../../src/cli/coordinator-command.ts'
import { startMonitor } from '../../src/monitor/agent.ts'

export default class MonitorStart extends OvCommand {
  static override summary = 'Start the monitor agent: an agent that watches the fleet with judgement'
  static override description =
    'A project has one; a second start says that it runs. It is read-only, and waits until it gets mail, which costs nothing. The live screen (ov monitor) needs no agent.'
  static override examples = [
    '<%= config.bin %> monitor start',
    '<%= config.bin %> monitor start --runtime claude --model haiku',
  ]
  static override flags = {
    runtime: CHOICE_FLAGS.runtime,
    model: CHOICE_FLAGS.model,
    interactive: Flags.boolean({
      char: 'i',
      allowNo: true,
      description: 'start it on the CLI’s own screen in tmux, where you can type along: ov attach monitor',
    }),
  }

  async run() {
    const { flags } = await this.parse(MonitorStart)
    const started = await startMonitor(await this.project(), chosen(flags))
    const { agent, context } = started
    this.say(startedLine(started))
    this.say(`Ask it something: ov mail send --to ${agent.name} --type question --subject "Who is stuck?"`)
    return { agent: agent.name, id: agent.id, state: agent.state, runtime: agent.runtime, model: agent.model, context }
  }
}
