import { Flags } from '@oclif/core'
import { OvCommand } from '../../src/cli/command.ts'
import { theCoordinator } from '../../src/coordinator/coordinator.ts'
import { type Item, outputJournal } from '../../src/reports/journal.ts'

export default class CoordinatorOutput extends OvCommand {
  static override summary = 'See what the coordinator said and did'
  static override description =
    'With --json: entries as they are logged; together with --follow one to a line. More ways to look: ov logs coordinator'
  static override examples = [
    '<%= config.bin %> coordinator output',
    '<%= config.bin %> coordinator output --follow',
    '<%= config.bin %> coordinator output -n 500 --json',
  ]
  static override flags = {
    follow: Flags.boolean({ char: 'f', default: false, description: 'go on until it is stopped' }),
    lines: Flags.integer({ char: 'n', min: 0, default: 40, description: 'show so many of the last lines' }),
  }

  async run() {
    const { flags } = await this.parse(CoordinatorOutput)
    const project = await this.project()
    const agent = await theCoordinator(project)
    const { recent, follow } = await outputJournal(project, agent, { count: flags.lines, raw: false })
    const lines = recent.flatMap((item) => item.lines)
    for (const line of lines.slice(lines.length - Math.min(lines.length, flags.lines))) this.log(line)
    if (!flags.follow) {
      if (recent.length === 0) this.say('It has said nothing yet.')
      return { agent: agent.name, entries: recent.map(({ document }) => document) }
    }
    const stream = (item: Item) => process.stdout.write(`${JSON.stringify(item.document)}\n`)
    if (this.jsonEnabled()) recent.forEach(stream)
    await follow((item) => {
      if (this.jsonEnabled()) stream(item)
      else for (const line of item.lines) this.log(line)
    }, this.gone)
    return undefined
  }
}
