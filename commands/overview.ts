import { OvCommand } from '../src/cli/command.ts'
import { FIRST_STEPS, nextSteps, type Step, stepLines } from '../src/cli/next-steps.ts'
import { statusScreen } from '../src/cli/status-screen.ts'
import { screenWidth } from '../src/cli/style.ts'
import { wrapTo } from '../src/cli/width.ts'
import { OvError } from '../src/errors.ts'
import type { StatusReport } from '../src/reports/report.ts'

export default class Overview extends OvCommand {
  static override summary = 'See what is going on, and what one might do next: ov alone'
  static override description = 'Where there is no project yet, it says how to begin. Changes nothing.'
  static override examples = ['<%= config.bin %>', '<%= config.bin %> overview --json']
  static override hidden = true

  protected static override evenMisconfigured = true

  async run(): Promise<{ status: StatusReport | null; next: readonly Step[] }> {
    await this.parse(Overview)
    const width = screenWidth()
    const found = await this.status()
    if (found instanceof OvError) {
      for (const line of wrapTo(`ov turns one coding agent into a fleet. ${found.message}`, width)) this.log(line)
      this.log('')
      for (const line of stepLines(FIRST_STEPS, width)) this.log(line)
      return { status: null, next: FIRST_STEPS }
    }
    for (const line of statusScreen(found, width, 'all')) this.log(line)
    return { status: found, next: nextSteps(found, 'all') }
  }

  /** Gives why there is no project yet; other errors are thrown. */
  private async status(): Promise<StatusReport | OvError> {
    try {
      return await this.call('status', {})
    } catch (error) {
      if (error instanceof OvError && NO_PROJECT.includes(error.code)) return error
      throw error
    }
  }
}

const NO_PROJECT: readonly string[] = ['project.no-git', 'project.not-initialised']
