import { Flags } from '@oclif/core'
import { OvCommand } from '../../src/cli/command.ts'
import { headsTable } from '../../src/cli/letters.ts'
import { MAIL_TYPES } from '../../src/contract/mail.ts'

export default class MailList extends OvCommand {
  static override summary = 'List mail, newest last'
  static override description =
    'Inside an agent: what it has sent and got. Outside: everybody’s. Listing delivers nothing. The ID is the end of the whole id and is accepted wherever an id is asked for.'
  static override examples = [
    '<%= config.bin %> mail list --to human --unread',
    '<%= config.bin %> mail list --from builder-1 --type question',
  ]
  static override flags = {
    from: Flags.string({ description: 'sender: an agent, human or ov', helpValue: 'NAME' }),
    to: Flags.string({ description: 'reader: an agent or human', helpValue: 'NAME' }),
    type: Flags.option({ options: MAIL_TYPES, multiple: true, multipleNonGreedy: true })({
      description: 'only this kind; may be repeated',
    }),
    unread: Flags.boolean({ description: 'only what its reader has not got yet' }),
    thread: Flags.string({ description: 'the thread of this mail', helpValue: 'ID' }),
    limit: Flags.integer({ min: 1, max: 1000, default: 50, description: 'so many at most, the newest' }),
  }

  protected static override forAgents = 'everyone' as const

  async run() {
    const { flags } = await this.parse(MailList)
    const { from, to, type, unread, thread, limit } = flags
    const result = await this.call('mail.list', {
      limit,
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(type === undefined ? {} : { types: type }),
      ...(thread === undefined ? {} : { thread }),
      ...(unread ? { unread } : {}),
    })
    if (result.mail.length > 0) this.log(headsTable(result.mail, Date.now()))
    else if (from ?? to ?? type ?? thread ?? unread) this.say('No such mail. All of it: ov mail list')
    else this.say('No mail yet. Write some: ov mail send --to NAME --subject "…"')
    return result
  }
}
