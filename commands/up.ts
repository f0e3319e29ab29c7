import { Flags } from '@oclif/core'
import { OvCommand } from '../src/cli/command.ts'
import { EXIT_CODES } from '../src/errors.ts'
import { sayUp } from '../src/watchdog/say.ts'
import { bringUp } from '../src/watchdog/up.ts'

/** So long those that start are waited for, in ms. */
const WAIT_MS = 30_000

export default class UpCommand extends OvCommand {
  static override summary = 'Bring the fleet back after a reboot, a crash, or kill -9 of everything'
  static override description =
    `Agents whose runner is gone go on where they were: with their runtime's own conversation where it is still there, else told from the records what they have done. The coordinator too. What can't go on is ended honestly, its commits kept. Half-made landings, mail and the merge queue are put right. A second run changes nothing.

Exit codes: 0 all is up · 1 somebody could not be brought back.`
  static override examples = ['<%= config.bin %> up', '<%= config.bin %> up --dry-run', '<%= config.bin %> up --json']
  static override flags = {
    'dry-run': Flags.boolean({ char: 'n', description: 'say what would be done; change nothing' }),
  }

  protected static override evenMisconfigured = true

  async run() {
    const { flags } = await this.parse(UpCommand)
    const dryRun = flags['dry-run']
    const up = await bringUp(await this.project(), { dryRun, gone: this.gone, waitMs: WAIT_MS })
    const { result, beside } = sayUp(up, { dryRun })
    for (const line of result) this.log(line)
    for (const line of beside) this.say(line)
    if (up.planned.some((one) => one.do === 'leave')) process.exitCode = EXIT_CODES.failed
    return up
  }
}
