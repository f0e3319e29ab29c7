import { Args, Flags } from '@oclif/core'
import { shortId } from '../../src/cli/letter-text.ts'
import { MailCommand } from '../../src/cli/mail-command.ts'
import { OvError } from '../../src/errors.ts'
import { markOf, oneLine, plainText } from '../../src/mail/frame.ts'

export default class Ask extends MailCommand {
  static override summary = 'Inside an agent: ask whom you report to'
  static override description =
    `Without --wait, end your turn: the answer comes as mail and begins your next one. With --wait the answer is printed here, and not delivered again. Cut off while it waits, it comes as mail.

Exit codes with --wait: 0 answered · 1 none will come · 7 --timeout is over.`
  static override examples = [
    '<%= config.bin %> ask "Which database do we use?"',
    '<%= config.bin %> ask "May I drop the old table?" --option yes --option no --wait --timeout 600',
  ]
  static override args = {
    question: Args.string({ description: 'the question' }),
  }
  static override flags = {
    wait: Flags.boolean({ char: 'w', description: 'wait for the answer and print it' }),
    timeout: Flags.integer({
      min: 1,
      description: 'seconds to wait with --wait; for ever without it',
      dependsOn: ['wait'],
      helpValue: 'SECONDS',
    }),
    to: Flags.string({ description: 'ask this agent, coordinator or human instead', helpValue: 'ADDRESS' }),
    option: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      description: 'an answer to choose from; may be repeated',
    }),
  }

  protected static override forAgents = 'everyone' as const

  async run() {
    const { args, flags } = await this.parse(Ask)
    const { question } = args
    if (question === undefined) throw this.nothingAsked()
    const asked = await this.call('ask', {
      question,
      ...(flags.to === undefined ? {} : { to: flags.to }),
      ...(flags.option === undefined ? {} : { options: flags.option }),
    })
    if (!flags.wait) {
      this.log(`Asked ${asked.to} (${shortId(asked.question)}). End your turn; the answer comes as mail.`)
      return { ...asked, answer: null }
    }
    this.say(`Asked ${asked.to} (${shortId(asked.question)}). If this is cut off, the answer comes as mail.`)
    const { offer, mail } = await this.call('mail.wait', {
      thread: asked.question,
      types: ['answer', 'escalation'],
      ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout * 1000 }),
    })
    if (offer !== null) this.confirmOncePrinted(offer, mail)
    const answer = mail.find((one) => one.type === 'answer') ?? null
    for (const one of mail) this.say(`${oneLine(one.from)} (${markOf(one.id)}): ${oneLine(one.subject)}`)
    if (answer === null) process.exitCode = 1
    this.log(plainText((answer ?? mail[0])?.body ?? ''))
    return { ...asked, answer }
  }

  private nothingAsked(): OvError {
    return this.insideAgent
      ? new OvError('user', 'ask.empty', 'What do you want to ask?', { hint: 'ov ask "Which database do we use?"' })
      : new OvError('user', 'ask.for-agents', 'Agents ask by ov ask "…"; you answer.', {
          hint: 'What waits for your answer: ov ask list. To ask the fleet something: ov coordinator ask "…"',
        })
  }
}
