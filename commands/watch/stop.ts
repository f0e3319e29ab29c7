import { OvCommand } from '../../src/cli/command.ts'
import { stopWatcher } from '../../src/watchdog/stop-watcher.ts'

export default class WatchStop extends OvCommand {
  static override summary = 'End whoever watches over the fleet'
  static override description = 'Agents work on, and look after one another as they do without a watcher.'
  static override examples = ['<%= config.bin %> watch stop']

  protected static override evenMisconfigured = true

  async run() {
    await this.parse(WatchStop)
    const watcher = await stopWatcher(await this.project())
    this.log(watcher === null ? 'Nobody watches.' : `Process ${watcher.pid} watches no more.`)
    return { stopped: watcher?.pid ?? null }
  }
}
