import { Flags } from '@oclif/core'
import { OvCommand } from '../src/cli/command.ts'

export default class Fail extends OvCommand {
  static override summary = 'Inside an agent: say that the task cannot be done'
  static override description =
    'Whom you report to is told, and you are ended after this turn; your commits are kept. If an answer would help, ask first: ov ask "…".'
  static override examples = ['<%= config.bin %> fail --reason "The API it needs does not exist"']
  static override flags = {
    reason: Flags.string({ char: 'r', required: true, description: 'why, so that somebody else can do better' }),
  }

  protected static override forAgents = 'task' as const

  async run() {
    const { flags } = await this.parse(Fail)
    const result = await this.call('fail', { reason: flags.reason })
    this.log('Noted. End your turn.')
    return result
  }
}
