import { Args } from '@oclif/core'
import { CHOICE_FLAGS, CoordinatorCommand, TIMEOUT_FLAG } from '../../src/cli/coordinator-command.ts'

export default class CoordinatorAsk extends CoordinatorCommand {
  static override summary = 'Ask the coordinator something, and wait for its answer'
  static override description =
    `What it does meanwhile is shown on stderr; the answer alone goes to stdout. Cut off, the answer comes as mail.

Exit codes: 0 answered · 1 no answer will come · 7 --timeout is over.`
  static override examples = [
    '<%= config.bin %> coordinator ask "What is left to do?"',
    '<%= config.bin %> coordinator ask "Which tests fail, and why?" --timeout 300 --json',
  ]
  static override args = {
    question: Args.string({ required: true, description: 'the question; - reads standard input' }),
  }
  static override flags = { ...CHOICE_FLAGS, timeout: TIMEOUT_FLAG }

  async run() {
    const { args, flags } = await this.parse(CoordinatorAsk)
    return this.speak(args.question, { as: 'question', wait: true, ...flags })
  }
}
