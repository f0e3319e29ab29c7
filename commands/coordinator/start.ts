import { OvCommand } from '../../src/cli/command.ts'
import { CHOICE_FLAGS, chosen, startedLine } from '../../src/cli/coordinator-command.ts'
import { startCoordinator } from '../../src/coordinator/coordinator.ts'

export default class CoordinatorStart extends OvCommand {
  static override summary = 'Start the coordinator, or start it again with what it knew'
  static override description =
    'A project has one; a second start says that it runs. Until it is told something it waits, which costs nothing.'
  static override examples = [
    '<%= config.bin %> coordinator start',
    '<%= config.bin %> coordinator start --runtime claude --model opus',
  ]
  static override flags = CHOICE_FLAGS

  async run() {
    const { flags } = await this.parse(CoordinatorStart)
    const started = await startCoordinator(await this.project(), chosen(flags))
    const { agent, context } = started
    this.say(startedLine(started))
    const other =
      context === 'running' && [flags.runtime, flags.model, flags.interactive].some((one) => one !== undefined)
    if (other) this.say('To start it with another runtime or model, stop it first: ov coordinator stop')
    this.say('Tell it what you want: ov coordinator "Build a login page"')
    return { agent: agent.name, id: agent.id, state: agent.state, runtime: agent.runtime, model: agent.model, context }
  }
}
