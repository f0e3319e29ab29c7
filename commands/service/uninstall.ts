import { OvCommand } from '../../src/cli/command.ts'
import { uninstallService } from '../../src/service/service.ts'

export default class ServiceUninstall extends OvCommand {
  static override summary = 'Take away what ov service install has set up'
  static override description =
    'Its watcher ends. Agents work on, and look after one another as they do without a watcher.'
  static override examples = ['<%= config.bin %> service uninstall']

  protected static override evenMisconfigured = true

  async run() {
    await this.parse(ServiceUninstall)
    const gone = await uninstallService(await this.project())
    this.log(gone.removed ? `Removed: ${gone.name}.` : 'There was no service.')
    return gone
  }
}
