import { Flags } from '@oclif/core'
import { OvCommand } from '../src/cli/command.ts'
import { statusScreen } from '../src/cli/status-screen.ts'
import { screenWidth } from '../src/cli/style.ts'

export default class Status extends OvCommand {
  static override summary = 'See what is going on: who needs you, who does what, what waits to be merged'
  static override description =
    'Whether an agent lives is asked of the kernel each time. FOR: how long it has been in its state. SEEN: how long ago its runtime last printed anything. Changes nothing.'
  static override examples = [
    '<%= config.bin %> status',
    '<%= config.bin %> status --run run-2',
    '<%= config.bin %> status --json',
  ]
  static override flags = {
    run: Flags.string({ description: 'this run instead of the current one', helpValue: 'NAME', exclusive: ['all'] }),
    all: Flags.boolean({ default: false, description: 'every agent of every run' }),
  }

  protected static override evenMisconfigured = true

  protected static override forAgents = 'everyone' as const

  async run() {
    const { flags } = await this.parse(Status)
    const report = await this.call('status', {
      ...(flags.run === undefined ? {} : { run: flags.run }),
      ...(flags.all ? { all: true } : {}),
    })
    for (const line of statusScreen(report, screenWidth())) this.log(line)
    return report
  }
}
