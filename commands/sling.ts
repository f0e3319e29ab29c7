import { Flags } from '@oclif/core'
import { OvCommand } from '../src/cli/command.ts'
import { CAPABILITIES } from '../src/contract/states.ts'

export default class Sling extends OvCommand {
  static override summary = 'Give a task to a new agent'
  static override flags = {
    capability: Flags.option({ options: CAPABILITIES, default: 'builder' as const })({
      char: 'c',
      description: 'the role of the agent',
    }),
    task: Flags.string({ char: 't', description: 'what is to be done', default: '' }),
    name: Flags.string({ description: 'name of the agent' }),
    runtime: Flags.string({ description: 'which agent CLI' }),
    model: Flags.string({ description: 'model, in the runtime’s words' }),
    base: Flags.string({ description: 'commit to start from' }),
    command: Flags.string({ description: 'with --runtime shell: the command line' }),
    files: Flags.string({ multiple: true, description: 'paths the task is about' }),
    again: Flags.boolean({ description: 'even if the same task is open' }),
    queue: Flags.boolean({ allowNo: true, default: true, description: 'wait for a place' }),
    wait: Flags.boolean({ description: 'until it is merged or has failed' }),
  }

  async run() {
    const { flags } = await this.parse(Sling)
    const { wait, ...request } = flags
    const { json: _json, ...input } = request as typeof request & { json?: boolean }
    const slung = await this.call('sling', input)
    this.log(`${slung.agent.name} ${slung.queued ? 'waits for a place' : 'is on its way'}: ${slung.task.title}`)
    if (!wait) return slung
    const task = await this.call('task.wait', { task: slung.task.id })
    this.log(`${task.state}${task.reason ? `: ${task.reason}` : ''}`)
    if (task.state === 'failed') process.exitCode = 1
    return {
      task: task.id,
      agent: slung.agent.name,
      state: task.state,
      branch: slung.agent.branch,
      mergedAs: task.merged_as,
      attempts: task.attempts,
    }
  }
}
