import { Flags } from '@oclif/core'
import { OvError } from '../errors.ts'
import { type Cleaned, carryOut, type LitterKind, planClean } from '../worktrees/clean.ts'
import { confirm } from './ask.ts'
import { litterLines, sparedLines } from './clean-screen.ts'
import { OvCommand } from './command.ts'
import { screenWidth } from './style.ts'

/** What commands share that remove: shown first, asked about, nothing lost. */
export abstract class CleanCommand extends OvCommand {
  static cleanFlags = {
    yes: Flags.boolean({ char: 'y', default: false, description: 'do not ask' }),
    'dry-run': Flags.boolean({ default: false, description: 'only show what would be removed', exclusive: ['yes'] }),
  }

  /** @throws {OvError} `clean.needs-yes` where nobody can be asked */
  protected async clean(
    kinds: readonly LitterKind[],
    { yes, dryRun, logDays }: { yes: boolean; dryRun: boolean; logDays: number },
  ): Promise<Cleaned & { dryRun: boolean }> {
    const project = await this.project()
    const plan = await planClean(project, { kinds, logDays })
    const { root } = project
    const width = screenWidth()
    for (const line of [...litterLines(plan.litter, root, width), ...sparedLines(plan.spared, root, width)])
      this.log(line)
    if (plan.litter.length === 0) {
      this.say('Nothing to remove.')
      return { removed: [], spared: plan.spared, dryRun }
    }
    if (dryRun) return { removed: plan.litter, spared: plan.spared, dryRun }
    if (!yes) {
      if (!this.mayAsk) {
        throw new OvError('user', 'clean.needs-yes', 'Nothing was removed: nobody here can be asked.', {
          hint: 'Look at it with --dry-run, then say --yes.',
        })
      }
      if (!(await confirm('Remove this? All commits are kept.'))) {
        this.say('Nothing was removed.')
        return { removed: [], spared: plan.spared, dryRun }
      }
    }
    const cleaned = await carryOut(project, plan)
    const late = cleaned.spared.slice(plan.spared.length)
    for (const line of sparedLines(late, root, width)) this.log(line)
    this.say(`Removed ${cleaned.removed.length} of ${plan.litter.length}. All commits are kept.`)
    return { ...cleaned, dryRun }
  }
}
