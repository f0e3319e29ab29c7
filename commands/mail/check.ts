import { Flags } from '@oclif/core'
import { headsTable } from '../../src/cli/letters.ts'
import { MailCommand } from '../../src/cli/mail-command.ts'

export default class MailCheck extends MailCommand {
  static override summary = 'Take the mail that waits for you'
  static override description =
    'Prints it, highest priority first, and marks it as delivered once it is printed. Cut off before, it is offered again.'
  static override examples = [
    '<%= config.bin %> mail check',
    '<%= config.bin %> mail check --peek',
    '<%= config.bin %> mail check --inject',
  ]
  static override flags = {
    inject: Flags.boolean({
      description: 'as one framed block for a prompt; prints nothing at all when there is none',
    }),
    peek: Flags.boolean({ description: 'show what waits, without its text, and take nothing', exclusive: ['inject'] }),
  }

  protected static override forAgents = 'everyone' as const

  async run() {
    const { flags } = await this.parse(MailCheck)
    if (flags.peek) {
      const { mail } = await this.call('mail.peek', {})
      if (mail.length === 0) this.say('No new mail.')
      else this.log(headsTable(mail, Date.now()))
      return { mail }
    }
    const taken = await this.call('mail.check', {})
    this.show(taken, { framed: flags.inject })
    if (!flags.inject) {
      const { offer, left } = taken
      if (offer !== null && left > 0) this.say(`${left} more: ov mail check`)
      if (offer === null) this.say(left > 0 ? `No new mail but ${left} being read elsewhere.` : 'No new mail.')
    }
    return { mail: taken.mail, prompt: taken.prompt, left: taken.left }
  }
}
