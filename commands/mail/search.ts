import { Args, Flags } from '@oclif/core'
import { OvCommand } from '../../src/cli/command.ts'
import { foundTable } from '../../src/cli/letters.ts'

export default class MailSearch extends OvCommand {
  static override summary = 'Find mail by its text, newest first'
  static override description =
    'Looks for the text as it stands in subjects and bodies, whatever the case of its letters.'
  static override examples = ['<%= config.bin %> mail search "login form"']
  static override args = {
    text: Args.string({ required: true, description: 'what to look for' }),
  }
  static override flags = {
    limit: Flags.integer({ min: 1, max: 1000, default: 20, description: 'so many at most, the newest' }),
  }

  protected static override forAgents = 'everyone' as const

  async run() {
    const { args, flags } = await this.parse(MailSearch)
    const result = await this.call('mail.search', { text: args.text, limit: flags.limit })
    if (result.mail.length > 0) this.log(foundTable(result.mail, Date.now()))
    else this.say('No mail holds that text.')
    return result
  }
}
