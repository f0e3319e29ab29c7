import { OvCommand } from '../../src/cli/command.ts'
import { limitLines } from '../../src/cli/limits-screen.ts'
import { screenWidth } from '../../src/cli/style.ts'
import { reportLimits } from '../../src/limits/report.ts'

export default class Limits extends OvCommand {
  static override summary = 'What providers hold up, until when, and who waits for it'
  static override description =
    `Agents that work by the same login share its limits: what one of them meets parks all of them. When a limit should be over, one of them sees whether it is; when it works, the others follow one by one.`
  static override examples = ['<%= config.bin %> limits', '<%= config.bin %> limits --json']

  protected static override toRead = true

  async run() {
    await this.parse(Limits)
    const project = await this.project()
    const limits = await reportLimits(project)
    const at = project.clock.now()
    for (const limit of limits) for (const line of limitLines(limit, at, screenWidth())) this.log(line)
    if (limits.length === 0) this.say('No account is held up.')
    return { at, limits }
  }
}
