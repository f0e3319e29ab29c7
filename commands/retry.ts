import { Args, Flags } from '@oclif/core'
import { retry } from '../src/agents/retry.ts'
import { sayRetried } from '../src/agents/say.ts'
import { OvCommand } from '../src/cli/command.ts'

export default class Retry extends OvCommand {
  static override summary = 'Have an agent go on with a task that failed, was stopped or put aside'
  static override description =
    `On the same branch and in the same worktree, as it lies. It goes on in its runtime's own conversation where that is still there, else it is told from the records what was done. How often it was started again is forgotten, and so are the attempts of its task.

An agent that waits for its account's limit to end, or for a login, is tried at once, with the environment of this terminal.

Exit code 4: it is at work, and nothing of it has failed.`
  static override examples = [
    '<%= config.bin %> retry builder-2',
    '<%= config.bin %> retry builder-2 --fresh',
    '<%= config.bin %> retry builder-2 --runtime codex',
  ]
  static override args = {
    agent: Args.string({ required: true, description: 'name of an agent, or the id of its task' }),
  }
  static override flags = {
    runtime: Flags.string({ helpValue: 'runtime', description: 'give the task to another agent CLI' }),
    model: Flags.string({ helpValue: 'model', description: 'with another model' }),
    fresh: Flags.boolean({ default: false, description: 'begin a new conversation, told from the records' }),
  }

  async run() {
    const { args, flags } = await this.parse(Retry)
    const { runtime, model, fresh } = flags
    const retried = await retry(await this.project(), {
      what: args.agent,
      fresh,
      ...(runtime === undefined ? {} : { runtime }),
      ...(model === undefined ? {} : { model }),
    })
    this.log(sayRetried(retried))
    return retried
  }
}
