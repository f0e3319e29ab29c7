import { Flags } from '@oclif/core'
import { OvCommand } from '../../src/cli/command.ts'
import { installService, plannedService } from '../../src/service/service.ts'

export default class ServiceInstall extends OvCommand {
  static override summary = 'Have the system watch over this project, from each start of your session on'
  static override description =
    `Writes a unit for your own systemd (macOS: an agent of launchd) that runs ov watch here, starts it, and starts it again when it fails. Where that is so already, nothing is changed. It gets PATH and a few more variables of this terminal, and no key: what agents need of those belongs into ~/.config/overstory/service.env.

Exit codes: 1 no service manager to be reached · 3 a file that ov did not write is in the way · 4 somebody watches already.`
  static override examples = ['<%= config.bin %> service install', '<%= config.bin %> service install --dry-run']
  static override flags = {
    'dry-run': Flags.boolean({ default: false, description: 'only print what would be written' }),
  }

  async run() {
    const { flags } = await this.parse(ServiceInstall)
    const project = await this.project()
    if (flags['dry-run']) {
      const planned = await plannedService(project)
      this.say(`${planned.path}:`)
      this.log(planned.text.trimEnd())
      return { planned, service: null }
    }
    const service = await installService(project)
    const { changed, name, pid, lingers } = service
    this.log(`${changed ? 'Installed' : 'Is installed already'}: ${name} watches, as process ${pid}.`)
    if (service.manager === 'systemd') this.say(`What it says: journalctl --user -u ${name} -f`)
    if (lingers === false) this.say('Hint: It ends when you log out. So that it goes on: loginctl enable-linger')
    return { planned: null, service }
  }
}
