import { Args, Flags } from '@oclif/core'
import { CHOICE_FLAGS, CoordinatorCommand, TIMEOUT_FLAG } from '../../src/cli/coordinator-command.ts'
import { OvError } from '../../src/errors.ts'
import { nearest } from '../../src/nearest.ts'

const VERBS = ['start', 'stop', 'status', 'send', 'ask', 'output', 'attach']

export default class Coordinator extends CoordinatorCommand {
  static override summary = 'Tell the coordinator what you want built; it turns it into tasks and runs the fleet'
  static override description =
    `Starts it if it doesn't run. Returns at once: it works on, asks you by mail what only you can decide, and writes when all is done. With --wait that is waited for and printed.

Exit codes with --wait: 0 replied · 1 it failed or was stopped · 7 --timeout is over (it goes on).`
  static override examples = [
    '<%= config.bin %> coordinator "Build a login page"',
    '<%= config.bin %> coordinator "Make the tests faster" --wait --timeout 3600',
    'cat issue.md | <%= config.bin %> coordinator -',
  ]
  static override args = { words: Args.string({ description: 'what you want; - reads standard input' }) }
  static override flags = {
    ...CHOICE_FLAGS,
    wait: Flags.boolean({ char: 'w', default: false, description: 'wait until it says that this is done' }),
    timeout: { ...TIMEOUT_FLAG, dependsOn: ['wait'] },
  }

  async run() {
    const { args, flags } = await this.parse(Coordinator)
    const { words } = args
    if (words === undefined) {
      throw new OvError('user', 'coordinator.empty', 'What is the coordinator to be told?', {
        hint: 'ov coordinator "Build a login page", or see how it stands: ov coordinator status',
      })
    }
    const meant = /\s/.test(words.trim()) ? null : nearest(words, VERBS)
    if (meant !== null) {
      throw new OvError('user', 'coordinator.no-verb', `"${words}" is no command of the coordinator's.`, {
        hint: `Did you mean ov coordinator ${meant}? To tell it just that word: ov coordinator send`,
      })
    }
    return this.speak(words, { as: 'assign', ...flags })
  }
}
