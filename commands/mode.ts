import { Args, Flags } from '@oclif/core'
import { OvCommand } from '../src/cli/command.ts'
import { sayMode } from '../src/cli/mode-screen.ts'
import { durationOf } from '../src/config/duration.ts'
import { LEVELS } from '../src/contract/states.ts'
import { OvError } from '../src/errors.ts'
import { changeMode } from '../src/load/change.ts'
import { modeNow } from '../src/load/mode.ts'

export default class Mode extends OvCommand {
  static override summary = 'See or set how much the fleet does: full, reduced, minimal, read-only'
  static override description =
    `reduced: half the places, no worktrees made ahead, no model asked about agents that hang.
minimal: nothing new starts; what runs goes on, and is merged.
read-only: no turn begins, nothing is merged or landed; turns that run go on to their end, mail is taken.

What you set holds until you take it back (auto), or as long as --for says. ov itself goes lower when memory, CPU, disk or a provider run short (load in overstory.yaml), and back by itself; the stricter of the two counts.`
  static override examples = [
    '<%= config.bin %> mode',
    '<%= config.bin %> mode minimal --for 2h --why "The release is being built"',
    '<%= config.bin %> mode auto',
  ]
  static override args = {
    level: Args.string({ options: [...LEVELS, 'auto'], description: 'what to set; auto takes back what you have set' }),
  }
  static override flags = {
    for: Flags.string({
      helpValue: 'TIME',
      description: 'so long, such as 90s, 30m or 2h; then it is taken back by itself',
    }),
    why: Flags.string({ helpValue: 'TEXT', description: 'for whoever asks: ov status shows it' }),
  }

  protected static override evenMisconfigured = true

  async run() {
    const { args, flags } = await this.parse(Mode)
    const project = await this.project()
    const level = [...LEVELS, 'auto' as const].find((one) => one === args.level)
    if (level === undefined || level === 'auto' || level === 'full') {
      if (flags.for !== undefined || (level === undefined && flags.why !== undefined))
        throw new OvError('user', 'mode.nothing-set', '--for and --why go with a level.', {
          hint: 'ov mode minimal --for 2h',
        })
    }
    const forMs = flags.for === undefined ? null : durationOf(flags.for)
    const mode =
      level === undefined ? await modeNow(project) : await changeMode(project, { level, forMs, why: flags.why ?? '' })
    for (const line of sayMode(mode, project.clock.now())) this.log(line)
    return { mode }
  }
}
