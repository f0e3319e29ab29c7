import { Args, Flags } from '@oclif/core'
import { CHOICE_FLAGS, CoordinatorCommand, TIMEOUT_FLAG } from '../../src/cli/coordinator-command.ts'

export default class CoordinatorSend extends CoordinatorCommand {
  static override summary = 'Tell the coordinator something; it is started if it does not run'
  static override description =
    'It is read when its turn has ended. One that failed is not started by this: what it met has to be mended first.'
  static override examples = [
    '<%= config.bin %> coordinator send "Stop the work on the parser, the lexer comes first"',
    'cat notes.md | <%= config.bin %> coordinator send -',
  ]
  static override args = {
    words: Args.string({ required: true, description: 'what to tell it; - reads standard input' }),
  }
  static override flags = {
    ...CHOICE_FLAGS,
    wait: Flags.boolean({ char: 'w', default: false, description: 'wait until it says that this is done' }),
    timeout: { ...TIMEOUT_FLAG, dependsOn: ['wait'] },
  }

  async run() {
    const { args, flags } = await this.parse(CoordinatorSend)
    return this.speak(args.words, { as: 'assign', ...flags })
  }
}
