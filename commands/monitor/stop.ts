import { Flags } from '@oclif/core'
import { OvCommand } from '../../src/cli/command.ts'
import { EXIT_CODES } from '../../src/errors.ts'
import { stopMonitor } from '../../src/monitor/agent.ts'

export default class MonitorStop extends OvCommand {
  static override summary = 'Stop the monitor agent; what it knows is kept for its next start'
  static override description = 'Mail it has not read goes back to its senders. Live screens (ov monitor) stay open.'
  static override examples = ['<%= config.bin %> monitor stop']
  static override flags = { reason: Flags.string({ description: 'why, for the record' }) }

  protected static override evenMisconfigured = true

  async run() {
    const { flags } = await this.parse(MonitorStop)
    const stopped = await stopMonitor(await this.project(), flags.reason ?? 'Stopped by the human.')
    if (stopped === null) this.say('There has been no monitor agent.')
    else if (stopped.was === 'stopped' || stopped.was === 'failed') this.say(`It did not run (${stopped.was}).`)
    else this.say('The monitor agent is stopped. It goes on where it was with: ov monitor start')
    for (const { pid, command } of stopped?.survivors ?? []) this.say(`Still there: ${pid} ${command}`)
    if (stopped?.survivors.some(({ certain }) => certain)) process.exitCode = EXIT_CODES.failed
    return { stopped }
  }
}
