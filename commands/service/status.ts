import { OvCommand } from '../../src/cli/command.ts'
import { type ServiceReport, serviceStatus } from '../../src/service/service.ts'

export default class ServiceStatus extends OvCommand {
  static override summary = 'See whether the system watches over this project'
  static override examples = ['<%= config.bin %> service status', '<%= config.bin %> service status --json']

  protected static override evenMisconfigured = true

  async run() {
    await this.parse(ServiceStatus)
    const service = await serviceStatus(await this.project())
    for (const line of linesOf(service)) this.log(line)
    if (service.installed === 'no') this.say('To set one up: ov service install')
    if (service.installed === 'outdated') this.say('It was written by another ov: ov service install')
    for (const { agent, text, hint } of service.left) this.say(`${agent} is left: ${text} ${hint}`)
    if (service.left.length > 0 && service.installed === 'current' && service.environmentFile !== null)
      this.say(
        `Hint: A login for the service goes into ${service.environmentFile} (NAME=value), then: systemctl --user restart ${service.name}`,
      )
    if (service.lingers === false && service.enabled)
      this.say('Hint: It ends when you log out. So that it goes on: loginctl enable-linger')
    return { service }
  }
}

const INSTALLED: Readonly<Record<ServiceReport['installed'], string>> = {
  no: 'There is no service for this project.',
  current: 'Installed',
  outdated: 'Installed, but not as it would be now',
  'not-ours': 'Something else has its name',
}

function linesOf({ installed, path, reachable, enabled, state, pid, restarts, watcher }: ServiceReport): string[] {
  const other = watcher !== null && watcher.pid !== pid ? [`Process ${watcher.pid} watches, without it.`] : []
  if (installed === 'no') return [INSTALLED.no, ...other]
  const process = pid === null ? '' : `, process ${pid}`
  const again = restarts === 0 ? '' : `, started again ${restarts} times`
  return [
    `${INSTALLED[installed]}: ${path}`,
    reachable
      ? `It is ${state}${process}${again}, and ${enabled ? 'starts with your session' : 'does not start by itself'}.`
      : 'Its service manager cannot be reached from here.',
    ...other,
  ]
}
