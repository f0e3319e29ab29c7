import { Args } from '@oclif/core'
import { OvCommand } from '../src/cli/command.ts'
import { type Candidate, type Completion, complete } from '../src/cli/complete.ts'
import { OvError } from '../src/errors.ts'
import { oneLine } from '../src/mail/frame.ts'
import { reportRuns } from '../src/reports/run-report.ts'
import { runtimeIds } from '../src/runtimes/registry.ts'

export default class Complete extends OvCommand {
  static override summary = 'Say what may stand next on a command line (asked by the completion scripts)'
  static override examples = ['<%= config.bin %> complete -- sling --runtime ""']
  static override hidden = true
  static override strict = false
  static override args = { word: Args.string({ description: 'the words after ov, up to the cursor' }) }

  protected static override evenMisconfigured = true

  async run() {
    await this.parse(Complete)
    // As they stand: of the words behind `--` the parser leaves out another `--`.
    const words = this.argv.slice(this.argv.indexOf('--') + 1)
    const { commands, topics } = this.config
    const found = await complete(
      words,
      { commands, topics },
      {
        agent: () =>
          this.names(async () =>
            (await this.call('status', {})).agents.map(({ name, condition, task }) => ({
              word: name,
              about: `${condition.replace('_', ' ')}: ${oneLine(task.title, 50)}`,
            })),
          ),
        run: () =>
          this.names(async () =>
            (await reportRuns(await this.project())).map(({ name, agents }) => ({
              word: name,
              about: `${agents} ${agents === 1 ? 'agent' : 'agents'}`,
            })),
          ),
        runtime: async () => {
          // What the project has of its own is known once it is open; without a project there is nothing of the kind.
          await this.names(async () => this.project().then(() => []))
          return runtimeIds().map((word) => ({ word, about: '' }))
        },
      },
    )
    for (const line of linesOf(found)) this.log(line)
    return found
  }

  /** Where there is no project, nobody has a name; a shell at its prompt has no place for errors. */
  private async names(find: () => Promise<readonly Candidate[]>): Promise<readonly Candidate[]> {
    try {
      return await find()
    } catch (error) {
      if (error instanceof OvError) return []
      throw error
    }
  }
}

function linesOf(found: Completion): string[] {
  return found === 'files' ? [':files'] : found.map(({ word, about }) => `${word}\t${oneLine(about, 80)}`)
}
