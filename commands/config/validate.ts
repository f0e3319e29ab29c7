import { OvCommand } from '../../src/cli/command.ts'
import { invalidConfig, sayProblem } from '../../src/config/problem.ts'
import { validateConfig } from '../../src/config/validate.ts'

export default class ConfigValidate extends OvCommand {
  static override summary = 'Check the configuration and what it names'
  static override examples = ['<%= config.bin %> config validate', '<%= config.bin %> config validate --json']
  static override description =
    'Checks every file and variable that settings come from, the agent manifest, and whether the runtimes, gates, branch and files they name are there. Ends with 2 when something is wrong; warnings alone do not count.'

  async run() {
    await this.parse(ConfigValidate)
    const validation = await validateConfig(process.cwd())
    for (const warning of validation.warnings) this.say(`Warning: ${sayProblem(warning)}`)
    if (!validation.valid) {
      const error = invalidConfig(validation.problems)
      if (!this.jsonEnabled()) throw error
      process.exitCode = error.exitCode
    }
    const { sources } = validation
    this.log(`Valid: ${sources.length === 0 ? 'nothing is configured, all defaults hold' : sources.join(', ')}.`)
    return validation
  }
}
