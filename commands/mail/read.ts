import { Args } from '@oclif/core'
import { lettersText } from '../../src/cli/letters.ts'
import { MailCommand } from '../../src/cli/mail-command.ts'

export default class MailRead extends MailCommand {
  static override summary = 'Print whole mails'
  static override description = 'Unread mail of your own counts as delivered once it is printed.'
  static override examples = ['<%= config.bin %> mail read 3f9a21bc', '<%= config.bin %> mail read 3f9a21bc 77d0e4a1']
  static override strict = false
  static override args = {
    id: Args.string({
      required: true,
      description: 'id of a mail, or a beginning or end of it that no other mail has',
    }),
  }

  protected static override forAgents = 'everyone' as const

  async run() {
    const { argv } = await this.parse(MailRead)
    const { offer, taken, mail, prompt } = await this.call('mail.read', { ids: argv.map(String) })
    this.log(this.insideAgent ? prompt : lettersText(mail, Date.now(), { whole: true }))
    if (offer !== null)
      this.confirmOncePrinted(
        offer,
        mail.filter((one) => taken.includes(one.id)),
      )
    return { mail }
  }
}
