import { Args, Flags } from '@oclif/core'
import { confirm } from '../src/cli/ask.ts'
import { OvCommand } from '../src/cli/command.ts'
import { initPicture } from '../src/cli/init-picture.ts'
import { OvError } from '../src/errors.ts'
import { cloneInto, withoutSecrets } from '../src/preflight/clone.ts'
import { initProject } from '../src/preflight/init.ts'

export default class Init extends OvCommand {
  static override summary = 'Set up ov in this repository, or in a clone of another'
  static override description =
    `Finds out what the project is and how it is checked, and writes overstory.yaml, the private folder .overstory and a schema for editors. No tracked file is changed. A second run changes nothing.`
  static override examples = [
    '<%= config.bin %> init',
    '<%= config.bin %> init https://github.com/me/project.git',
    '<%= config.bin %> init --force',
  ]
  static override args = {
    url: Args.string({ description: 'repository to clone first' }),
    folder: Args.string({ description: 'where to (default: the last part of the address)' }),
  }
  static override flags = {
    force: Flags.boolean({ description: 'rewrite an existing overstory.yaml, after asking; the former one is kept' }),
    yes: Flags.boolean({ char: 'y', description: 'answer yes to every question' }),
  }

  async run() {
    const { args, flags } = await this.parse(Init)
    this.humansOnly()
    const rewrite = flags.force ? (path: string) => this.mayRewrite(path, flags.yes) : null
    if (args.url !== undefined) this.say(`Cloning ${withoutSecrets(args.url)} …`)
    const clone = args.url === undefined ? null : await cloneInto(args.url, process.cwd(), args.folder)
    const report = await initProject(clone?.folder ?? process.cwd(), { rewrite })
    this.log(initPicture(report, process.cwd()))
    return { ...report, cloned: clone?.cloned ?? false }
  }

  private async mayRewrite(path: string, yes: boolean): Promise<boolean> {
    if (yes) return true
    if (this.mayAsk) return confirm(`Rewrite ${path}? What you wrote there is kept in .overstory/backups.`)
    throw new OvError('user', 'init.not-asked', `${path} exists, and there is nobody to ask whether to rewrite it.`, {
      hint: 'If it may be rewritten (a copy is kept): ov init --force --yes',
    })
  }
}
