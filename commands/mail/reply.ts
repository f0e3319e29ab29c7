import { Args, Flags } from '@oclif/core'
import { sayDecided } from '../../src/cli/ask-screen.ts'
import { OvCommand } from '../../src/cli/command.ts'
import { shortId } from '../../src/cli/letter-text.ts'
import { textOf } from '../../src/cli/mail-command.ts'
import { PRIORITIES, SENDABLE_TYPES } from '../../src/contract/mail.ts'

export default class MailReply extends OvCommand {
  static override summary = 'Reply to a mail, in its thread'
  static override description =
    'It goes to the sender, or to the reader of a mail you have sent yourself. A reply to a question is an answer; one that is exactly an option of it carries the choice.'
  static override examples = [
    '<%= config.bin %> mail reply 3f9a21bc --body "Use PostgreSQL."',
    'cat answer.md | <%= config.bin %> mail reply 3f9a21bc --body -',
  ]
  static override args = {
    id: Args.string({
      required: true,
      description: 'id of the mail, or a beginning or end of it that no other mail has',
    }),
  }
  static override flags = {
    body: Flags.string({ char: 'b', required: true, description: 'the reply; - reads standard input' }),
    type: Flags.option({ options: SENDABLE_TYPES })({
      description: 'instead of what fits: answer to a question, else status',
    }),
    priority: Flags.option({ options: PRIORITIES })({ description: 'instead of that of the mail' }),
  }

  protected static override forAgents = 'everyone' as const

  async run() {
    const { args, flags } = await this.parse(MailReply)
    const result = await this.call('mail.reply', {
      id: args.id,
      body: await textOf(flags.body),
      ...(flags.type === undefined ? {} : { type: flags.type }),
      ...(flags.priority === undefined ? {} : { priority: flags.priority }),
    })
    if (result.decided !== null) this.log(sayDecided(result.decided))
    else this.log(`Sent to ${result.sent.map((mail) => `${mail.to} (${shortId(mail.id)})`).join(', ')}.`)
    return result
  }
}
