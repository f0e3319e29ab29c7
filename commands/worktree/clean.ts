import { CleanCommand } from '../../src/cli/clean-command.ts'

export default class WorktreeClean extends CleanCommand {
  static override summary = 'Remove worktrees of agents that have ended; never one with uncommitted files'
  static override examples = ['<%= config.bin %> worktree clean', '<%= config.bin %> worktree clean --dry-run']
  static override flags = CleanCommand.cleanFlags

  async run() {
    const { flags } = await this.parse(WorktreeClean)
    return this.clean(['worktree'], { yes: flags.yes, dryRun: flags['dry-run'], logDays: 0 })
  }
}
