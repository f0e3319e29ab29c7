import { Flags } from '@oclif/core'
import { CleanCommand } from '../src/cli/clean-command.ts'

export default class Clean extends CleanCommand {
  static override summary = 'Remove what agents that have ended left behind; never a commit'
  static override description =
    'Shows what it would remove and asks. Worktrees with uncommitted files stay, and so do branches that are not merged. Every commit keeps a ref under refs/ov/keep.'
  static override examples = [
    '<%= config.bin %> clean',
    '<%= config.bin %> clean --dry-run',
    '<%= config.bin %> clean --yes --log-days 0',
  ]
  static override flags = {
    ...CleanCommand.cleanFlags,
    'log-days': Flags.integer({
      min: 0,
      default: 7,
      description: 'keep logs for so many days after their agent ended',
    }),
  }

  async run() {
    const { flags } = await this.parse(Clean)
    return this.clean(['worktree', 'branch', 'folder', 'log', 'socket'], {
      yes: flags.yes,
      dryRun: flags['dry-run'],
      logDays: flags['log-days'],
    })
  }
}
