import { OvCommand } from '../../src/cli/command.ts'
import { coordinatorScreen } from '../../src/cli/coordinator-screen.ts'
import { reportCoordinator } from '../../src/coordinator/coordinator.ts'

export default class CoordinatorStatus extends OvCommand {
  static override summary = 'See how the coordinator stands'
  static override examples = ['<%= config.bin %> coordinator status', '<%= config.bin %> coordinator status --json']

  protected static override evenMisconfigured = true

  async run() {
    await this.parse(CoordinatorStatus)
    const report = await reportCoordinator(await this.project())
    for (const line of coordinatorScreen(report, Date.now())) this.log(line)
    return report
  }
}
