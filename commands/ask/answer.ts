import { Args } from '@oclif/core'
import { sayDecided } from '../../src/cli/ask-screen.ts'
import { OvCommand } from '../../src/cli/command.ts'
import { textOf } from '../../src/cli/mail-command.ts'
import { HUMAN } from '../../src/contract/mail.ts'
import { type Answered, answerQuestion } from '../../src/escalation/answer.ts'

export default class AskAnswer extends OvCommand {
  static override summary = 'Answer what an agent asks, or decide what is to become of one in trouble'
  static override description =
    `An option is taken by its name or number; any other text is the answer itself. About an agent in trouble there is to decide:

wait [20m] leaves it alone for a while · nudge: TEXT tells it something · restart-fresh begins a new session that is told what it has done · stop [: WHY] ends it. Other text reaches it as urgent mail.`
  static override examples = [
    '<%= config.bin %> ask answer 3f9a21bc "Use PostgreSQL."',
    '<%= config.bin %> ask answer 3f9a21bc 2',
    '<%= config.bin %> ask answer builder-1 restart-fresh',
    '<%= config.bin %> ask answer 3f9a21bc "nudge: the tests need a database; start it first"',
  ]
  static override args = {
    agent: Args.string({
      required: true,
      description: 'who asks or is asked about; or the id of what is asked (ov ask list), or a part of it',
    }),
    answer: Args.string({ required: true, description: 'an option, or the answer; - reads standard input' }),
  }

  async run(): Promise<Answered> {
    const { args } = await this.parse(AskAnswer)
    const project = await this.project()
    const answered = await answerQuestion(project, HUMAN, args.agent, await textOf(args.answer))
    this.log(sayDecided(answered))
    return answered
  }
}
