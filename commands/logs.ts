import { Args, Flags } from '@oclif/core'
import { namedAgent } from '../src/agents/named.ts'
import { clockTime } from '../src/cli/ages.ts'
import { OvCommand } from '../src/cli/command.ts'
import { style } from '../src/cli/style.ts'
import { eventJournal, type Item, outputJournal } from '../src/reports/journal.ts'

export default class Logs extends OvCommand {
  static override summary = 'See what an agent said and did'
  static override description =
    'Shows its words and tools; with --raw each line as its runtime printed it, control characters included. With --json: entries as they are logged; together with --follow one to a line.'
  static override examples = [
    '<%= config.bin %> logs builder-1',
    '<%= config.bin %> logs builder-1 -f',
    '<%= config.bin %> logs builder-1 --events --time',
  ]
  static override args = { agent: Args.string({ required: true, description: 'name of the agent' }) }
  static override flags = {
    follow: Flags.boolean({ char: 'f', default: false, description: 'go on until the agent has ended' }),
    lines: Flags.integer({ char: 'n', min: 0, default: 200, description: 'show so many of the last lines' }),
    raw: Flags.boolean({ default: false, description: 'as printed by the runtime, unfiltered', exclusive: ['events'] }),
    events: Flags.boolean({ default: false, description: 'what ov recorded of it, instead of its output' }),
    time: Flags.boolean({ char: 't', default: false, description: 'put the time of day before each line' }),
  }

  async run() {
    const { args, flags } = await this.parse(Logs)
    const project = await this.project()
    const agent = await namedAgent(project, args.agent)
    const { recent, follow } = flags.events
      ? await eventJournal(project, agent, { count: flags.lines })
      : await outputJournal(project, agent, { count: flags.lines, raw: flags.raw })

    const stamped = ({ at, lines }: Item) =>
      lines.map((line) => (flags.time ? `${style.dim(clockTime(at))} ${line}` : line))
    // The oldest entry may have more lines than are still wanted.
    const lines = recent.flatMap(stamped)
    for (const line of lines.slice(lines.length - Math.min(lines.length, flags.lines))) this.log(line)
    if (!flags.follow) {
      if (recent.length === 0 && flags.lines > 0) this.say(`Nothing yet from ${agent.name}.`)
      return { agent: agent.name, entries: recent.map(({ document }) => document) }
    }
    const stream = (item: Item) => process.stdout.write(`${JSON.stringify(item.document)}\n`)
    if (this.jsonEnabled()) recent.forEach(stream)
    await follow((item) => {
      if (this.jsonEnabled()) stream(item)
      else for (const line of stamped(item)) this.log(line)
    }, this.gone)
    return undefined
  }
}
