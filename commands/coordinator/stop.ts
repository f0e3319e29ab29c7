import { Flags } from '@oclif/core'
import { OvCommand } from '../../src/cli/command.ts'
import { stopCoordinator } from '../../src/coordinator/coordinator.ts'

export default class CoordinatorStop extends OvCommand {
  static override summary = 'Stop the coordinator; what it knows is kept for its next start'
  static override description =
    `Its workers go on and report to you until it is started again. Mail it has not read goes back to its senders. To stop the workers too: ov stop --all`
  static override examples = ['<%= config.bin %> coordinator stop']
  static override flags = { reason: Flags.string({ description: 'why, for the record' }) }

  protected static override evenMisconfigured = true

  async run() {
    const { flags } = await this.parse(CoordinatorStop)
    const stopped = await stopCoordinator(await this.project(), flags.reason ?? 'Stopped by the human.')
    if (stopped === null) this.say('There has been no coordinator.')
    else if (stopped.was === 'stopped' || stopped.was === 'failed') this.say(`It did not run (${stopped.was}).`)
    else this.say('The coordinator is stopped. It goes on where it was with: ov coordinator start')
    for (const { pid, command } of stopped?.survivors ?? []) this.say(`Still there: ${pid} ${command}`)
    if (stopped?.survivors.some(({ certain }) => certain)) process.exitCode = 1
    return { stopped }
  }
}
