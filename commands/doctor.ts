import { Flags } from '@oclif/core'
import { OvCommand } from '../src/cli/command.ts'
import { doctorPicture } from '../src/cli/doctor-picture.ts'
import { diagnose, diagnoseAndFix } from '../src/preflight/doctor.ts'

export default class Doctor extends OvCommand {
  static override summary = 'Check everything ov stands on, and say what to do about what is wrong'
  static override description =
    `Looks at git, tmux, the agent CLIs, disk, permissions, state and configuration, side by side, and changes nothing.

With --fix it mends what can be mended without losing a commit or mail: a damaged database is set aside (never deleted) and what can be read is brought over, agents whose runner is gone are ended with their commits kept, stale locks and records are removed.

Exit codes: 0 ready (warnings do not count) · 1 not ready.`
  static override examples = [
    '<%= config.bin %> doctor',
    '<%= config.bin %> doctor --fix',
    '<%= config.bin %> doctor --json',
  ]
  static override flags = {
    fix: Flags.boolean({ description: 'mend what can be mended safely' }),
  }

  async run() {
    const { flags } = await this.parse(Doctor)
    this.humansOnly()
    const diagnosis = await (flags.fix ? diagnoseAndFix(process.cwd()) : diagnose(process.cwd()))
    this.log(doctorPicture(diagnosis))
    if (!diagnosis.ready) process.exitCode = 1
    return diagnosis
  }
}
