import { Flags } from '@oclif/core'
import { clockTime } from '../src/cli/ages.ts'
import { OvCommand } from '../src/cli/command.ts'
import { becomeWatcher, watchInBackground } from '../src/cli/start-watcher.ts'
import { style } from '../src/cli/style.ts'
import { statusLine } from '../src/cli/watch-view.ts'
import { type Look, lookOnce } from '../src/watchdog/once.ts'

/** Whether a terminal may be drawn on. */
function isLively({ isTTY }: NodeJS.WriteStream): boolean {
  return isTTY && !process.env.CI && process.env.TERM !== 'dumb'
}

export default class Watch extends OvCommand {
  static override summary = 'Watch over the fleet: whoever dies or hangs, mail that comes back, work that waits'
  static override description =
    `Ends agents honestly whose runner is gone, nudges those that are silent (watchdog.tier0.nudgeAfter), brings undeliverable mail back, starts what is queued, merges what is ready. Agents look after one another without it too, but later, and only while some are at work. One watcher at a time.

Goes on until Ctrl-C. With --json: one event to a line; with --once: one document.

Exit codes: 4 somebody watches already · 130 ended by Ctrl-C.`
  static override examples = [
    '<%= config.bin %> watch',
    '<%= config.bin %> watch --background',
    '<%= config.bin %> watch --once --json',
    '<%= config.bin %> watch status',
    '<%= config.bin %> watch stop',
  ]
  static override flags = {
    once: Flags.boolean({
      description: 'look once, do what is to be done, say what it was; nudges nobody',
      exclusive: ['background', 'interval'],
    }),
    interval: Flags.integer({
      char: 'i',
      min: 1,
      max: 86_400,
      helpValue: 'SECONDS',
      description: 'between two looks at everything [default: watchdog.tier0.interval]',
    }),
    background: Flags.boolean({
      char: 'b',
      description: 'leave it running; does nothing when somebody watches already',
    }),
  }

  protected static override evenMisconfigured = true

  async run() {
    const { flags } = await this.parse(Watch)
    const project = await this.project()
    if (flags.once) {
      const look = await lookOnce(project, this.gone)
      for (const line of linesOf(look)) this.log(line)
      return look
    }
    const interval = flags.interval === undefined ? null : flags.interval * 1000
    if (flags.background) {
      const { watcher, log, started } = await watchInBackground(project, interval)
      const since = started ? '' : ` since ${clockTime(watcher.since)}`
      this.log(`${started ? 'Watching' : 'Somebody watches already'}: process ${watcher.pid}${since}.`)
      this.say(style.dim(`Log: ${log}`))
      return { started, ...watcher, log }
    }
    return becomeWatcher(project, interval, this.jsonEnabled() ? 'json' : isLively(process.stdout) ? 'live' : 'lines')
  }
}

function linesOf({ agents, said }: Look): string[] {
  const seen = statusLine(Map.groupBy(agents, ({ state }) => state))
  return [seen, ...said.map((line) => `· ${line}`), ...(said.length === 0 ? ['There was nothing to do.'] : [])]
}
