import { clockTime, span } from '../../src/cli/ages.ts'
import { OvCommand } from '../../src/cli/command.ts'
import { watchLog } from '../../src/cli/start-watcher.ts'
import { watcherAtWork } from '../../src/watchdog/lease.ts'

export default class WatchStatus extends OvCommand {
  static override summary = 'See who watches over the fleet, and since when'
  static override examples = ['<%= config.bin %> watch status', '<%= config.bin %> watch status --json']

  protected static override evenMisconfigured = true

  async run() {
    await this.parse(WatchStatus)
    const project = await this.project()
    const { db, clock } = project
    const watcher = await watcherAtWork(db, clock)
    if (watcher === null) {
      this.log('Nobody watches.')
      this.say('Agents look after one another while some are at work. To have it done for good: ov watch --background')
    } else {
      const late = watcher.late ? ' It has not looked for a while: it is stopped, or the machine is overrun.' : ''
      this.log(
        `Process ${watcher.pid} watches since ${clockTime(watcher.since)} (${span(clock.now() - watcher.since)}).${late}`,
      )
    }
    return { watcher, log: watchLog(project) }
  }
}
