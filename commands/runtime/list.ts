import { Args } from '@oclif/core'
import { OvCommand } from '../../src/cli/command.ts'
import { runtimeDetails, runtimeScreen } from '../../src/cli/runtime-screen.ts'
import { screenWidth } from '../../src/cli/style.ts'
import { listRuntimes } from '../../src/preflight/runtime-list.ts'

export default class RuntimeList extends OvCommand {
  static override summary = 'List the agent CLIs: installed, version, certified, logged in, who uses which'
  static override description =
    `Each CLI is asked for its version, side by side; what it says is remembered for as long as its file stays the same. Logins are looked for offline, so one in a keychain is not seen.

STANDING says whether the version lies in the range that ov is certified with; another one is used all the same.`
  static override examples = [
    '<%= config.bin %> runtime list',
    '<%= config.bin %> runtime list claude',
    '<%= config.bin %> runtime list --json',
  ]
  static override aliases = ['runtime']
  static override args = { runtime: Args.string({ description: 'all about this one' }) }

  async run() {
    const { args } = await this.parse(RuntimeList)
    this.humansOnly()
    const list = await listRuntimes(process.cwd(), args.runtime)
    const [only] = list.runtimes
    const width = screenWidth()
    const lines = args.runtime === undefined || !only ? runtimeScreen(list, width) : runtimeDetails(only, width)
    for (const line of lines) this.log(line)
    return list
  }
}
