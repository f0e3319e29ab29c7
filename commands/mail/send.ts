import { Flags } from '@oclif/core'
import { OvCommand } from '../../src/cli/command.ts'
import { shortId } from '../../src/cli/letter-text.ts'
import { textOf } from '../../src/cli/mail-command.ts'
import { PRIORITIES, SENDABLE_TYPES } from '../../src/contract/mail.ts'
import { messageOf, OvError } from '../../src/errors.ts'

export default class MailSend extends OvCommand {
  static override summary = 'Send a message to an agent or a group'
  static override description =
    'When this ends with exit code 0 the mail is committed and will be delivered, or come back. Inside an agent the sender is that agent, outside it is human.'
  static override examples = [
    '<%= config.bin %> mail send --to builder-1 --subject "Use the new logger" --body "See src/log.ts."',
    '<%= config.bin %> mail send --to @builder --subject "Main is frozen" --priority urgent',
    'git diff | <%= config.bin %> mail send --to reviewer-1 --subject "Please look" --body -',
    `<%= config.bin %> mail send --to lead-1 --type decision_gate --subject "Ship it?" --payload '{"options":["yes","no"]}'`,
  ]
  static override flags = {
    to: Flags.string({
      required: true,
      description: "an agent's name, @capability (such as @builder), @all, coordinator or human",
      helpValue: 'ADDRESS',
    }),
    subject: Flags.string({ char: 's', required: true, description: 'what it is about, in a line' }),
    body: Flags.string({ char: 'b', default: '', description: 'the message itself; - reads standard input' }),
    type: Flags.option({ options: SENDABLE_TYPES, default: 'status' as const })({ description: 'kind of message' }),
    priority: Flags.option({ options: PRIORITIES, default: 'normal' as const })({
      description: 'order of delivery; urgent reaches a busy agent in the middle of its turn where it can',
    }),
    payload: Flags.string({ description: 'what the type carries, as JSON (docs/mail.md)', helpValue: 'JSON' }),
  }

  protected static override forAgents = 'everyone' as const

  async run() {
    const { flags } = await this.parse(MailSend)
    const { to, subject, type, priority } = flags
    const payload = flags.payload === undefined ? {} : { payload: parsed(flags.payload) }
    const result = await this.call('mail.send', {
      to,
      subject,
      body: await textOf(flags.body),
      type,
      priority,
      ...payload,
    })
    this.log(`Sent to ${result.sent.map((mail) => `${mail.to} (${shortId(mail.id)})`).join(', ')}.`)
    return result
  }
}

function parsed(payload: string): unknown {
  try {
    return JSON.parse(payload)
  } catch (error) {
    throw new OvError('user', 'mail.bad-payload', `The payload is not JSON: ${messageOf(error)}.`, {
      hint: `--payload '{"options":["yes","no"]}'`,
      cause: error,
    })
  }
}
