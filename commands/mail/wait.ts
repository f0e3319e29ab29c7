import { Flags } from '@oclif/core'
import { MailCommand } from '../../src/cli/mail-command.ts'
import { MAIL_TYPES } from '../../src/contract/mail.ts'

export default class MailWait extends MailCommand {
  static override summary = 'Wait until there is mail for you, then take it'
  static override description = 'Takes only what fits the filters. Exit code 7: nothing came in time.'
  static override examples = [
    '<%= config.bin %> mail wait --timeout 300',
    '<%= config.bin %> mail wait --from builder-1 --type result',
  ]
  static override flags = {
    timeout: Flags.integer({ min: 1, description: 'seconds to wait; for ever without it', helpValue: 'SECONDS' }),
    from: Flags.string({ description: 'only from this sender', helpValue: 'NAME' }),
    thread: Flags.string({ description: 'only in the thread of this mail', helpValue: 'ID' }),
    type: Flags.option({ options: MAIL_TYPES, multiple: true, multipleNonGreedy: true })({
      description: 'only this kind; may be repeated',
    }),
  }

  async run() {
    const { flags } = await this.parse(MailWait)
    const { timeout, from, thread, type } = flags
    const taken = await this.call('mail.wait', {
      ...(timeout === undefined ? {} : { timeoutMs: timeout * 1000 }),
      ...(from === undefined ? {} : { from }),
      ...(thread === undefined ? {} : { thread }),
      ...(type === undefined ? {} : { types: type }),
    })
    this.show(taken)
    return { mail: taken.mail, prompt: taken.prompt }
  }
}
