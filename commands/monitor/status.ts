import { span } from '../../src/cli/ages.ts'
import { OvCommand } from '../../src/cli/command.ts'
import { paintOf, stateText } from '../../src/cli/status-screen.ts'
import { style } from '../../src/cli/style.ts'
import { oneLine } from '../../src/mail/frame.ts'
import { type MonitorAgentReport, reportMonitor } from '../../src/monitor/agent.ts'

export default class MonitorStatus extends OvCommand {
  static override summary = 'See whether the monitor agent runs, and what it said last'
  static override examples = ['<%= config.bin %> monitor status', '<%= config.bin %> monitor status --json']

  protected static override evenMisconfigured = true

  async run() {
    await this.parse(MonitorStatus)
    const project = await this.project()
    const report = await reportMonitor(project)
    for (const line of screen(report, project.clock.now())) this.log(line)
    return report
  }
}

function screen({ monitor, running, idle, unread, lastWords }: MonitorAgentReport, now: number): string[] {
  if (monitor === null) return ['There has been no monitor agent yet.', 'Start it: ov monitor start']
  const state = idle ? 'idle, waiting for mail' : stateText(monitor, now)
  const model = monitor.model === null ? '' : ` ${oneLine(monitor.model, 40)}`
  return [
    `${style.bold(monitor.name)} is ${paintOf(monitor)(state)} for ${span(now - monitor.since)} · ${monitor.runtime}${model}`,
    ...(monitor.reason === null || running ? [] : [oneLine(monitor.reason, 500)]),
    ...(unread === 0 ? [] : [`Mail that waits for it: ${unread}`]),
    ...(lastWords.length === 0 ? [] : ['', ...lastWords.map((line) => style.dim(line))]),
    ...(running ? [] : ['', 'Start it again, with what it knew: ov monitor start']),
  ]
}
