import { Flags } from '@oclif/core'
import { OvCommand } from '../src/cli/command.ts'

export default class Done extends OvCommand {
  static override summary = 'Inside an agent: say that the task is done'
  static override flags = {
    summary: Flags.string({ required: true, description: 'what was done, in a sentence' }),
    'no-changes': Flags.boolean({ description: 'nothing had to change' }),
  }

  async run() {
    const { flags } = await this.parse(Done)
    const claim = await this.call('done', { summary: flags.summary, noChanges: flags['no-changes'] })
    this.log(
      claim.state === 'done'
        ? 'Noted.'
        : `${claim.branch} is in the merge queue. End your turn; you will get mail if it comes back.`,
    )
    return claim
  }
}
