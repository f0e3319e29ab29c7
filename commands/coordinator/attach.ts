import { Flags } from '@oclif/core'
import { attachTo } from '../../src/cli/attach.ts'
import { OvCommand } from '../../src/cli/command.ts'
import { theCoordinator } from '../../src/coordinator/coordinator.ts'

export default class CoordinatorAttach extends OvCommand {
  static override summary = 'Look at the screen of the coordinator'
  static override description =
    'Leave it with Ctrl-b d; it works on. Where it is interactive you can type into it. With --json: the command that attaches, instead of attaching.'
  static override examples = ['<%= config.bin %> coordinator attach']
  static override flags = {
    write: Flags.boolean({
      allowNo: true,
      description: 'let what you type reach it, Ctrl-C too (default: only where it is interactive)',
    }),
  }

  async run() {
    const { flags } = await this.parse(CoordinatorAttach)
    const project = await this.project()
    return attachTo(project, await theCoordinator(project), { ...flags, json: this.jsonEnabled() })
  }
}
