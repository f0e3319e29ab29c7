import { Flags } from '@oclif/core'
import { OvCommand } from '../src/cli/command.ts'

export default class Done extends OvCommand {
  static override summary = 'Inside an agent: say that the task is done'
  static override description =
    'Commit first: uncommitted work is refused. Your branch goes into the merge queue, and the quality gates decide; if one is red, it comes back to you as mail with the output.'
  static override examples = [
    '<%= config.bin %> done --summary "Login form with tests"',
    '<%= config.bin %> done --no-changes --summary "The bug was fixed already by abc123"',
  ]
  static override flags = {
    summary: Flags.string({ char: 's', required: true, description: 'what was done, in a sentence' }),
    'no-changes': Flags.boolean({ description: 'nothing had to change' }),
  }

  protected static override forAgents = 'task' as const

  async run() {
    const { flags } = await this.parse(Done)
    const claim = await this.call('done', { summary: flags.summary, noChanges: flags['no-changes'] })
    this.log(
      claim.state === 'done'
        ? 'Noted. End your turn.'
        : `${claim.branch} is in the merge queue. End your turn; you will get mail if it comes back.`,
    )
    return claim
  }
}
