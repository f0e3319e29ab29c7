import { Flags } from '@oclif/core'
import { OvCommand } from '../../src/cli/command.ts'
import { onceLines } from '../../src/cli/monitor/once.ts'
import { isUtf8, notLive, onceWidth } from '../../src/cli/monitor/terminal.ts'
import { EXIT_CODES } from '../../src/errors.ts'
import { fleetReader } from '../../src/monitor/report.ts'

export default class Monitor extends OvCommand {
  static override summary = 'Watch the fleet on a live screen: who does what, mail, merges, problems'
  static override description =
    'Leave it open: it is drawn again when something changes. It only looks; keys nudge, stop, attach and reply, and ? lists them.'
  static override examples = [
    '<%= config.bin %> monitor',
    '<%= config.bin %> monitor --once',
    '<%= config.bin %> monitor --once --json',
  ]
  static override flags = {
    once: Flags.boolean({ default: false, description: 'print one picture and end: for CI, pipes and scripts' }),
    run: Flags.string({ description: 'this run instead of the current one', helpValue: 'NAME' }),
  }

  protected static override evenMisconfigured = true
  protected static override toRead = true

  async run() {
    const { flags } = await this.parse(Monitor)
    const { env, stdin, stdout } = process
    const project = await this.project()
    const ascii = !isUtf8(env)
    const why = notLive(env, { input: stdin.isTTY, output: stdout.isTTY })
    if (flags.once || this.jsonEnabled() || why !== null) {
      const report = await fleetReader(project, flags.run === undefined ? {} : { run: flags.run }).read()
      for (const line of onceLines(report, onceWidth(env, stdout.isTTY ? stdout.columns : undefined), ascii))
        this.log(line)
      if (why !== null && !flags.once) this.say(`${why} This was one picture of it: ov monitor --once`)
      return report
    }
    const { loadLive } = await import('../../src/cli/monitor/load.ts')
    const show = await loadLive(project, { run: flags.run, ascii })
    if ((await show(this.gone)) === 'interrupt') process.exitCode = EXIT_CODES.interrupted
    return undefined
  }
}
