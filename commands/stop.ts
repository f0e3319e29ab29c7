import { Args, Flags } from '@oclif/core'
import { sayRemains, sayStopped } from '../src/agents/say.ts'
import { OvCommand } from '../src/cli/command.ts'
import { EXIT_CODES } from '../src/errors.ts'

export default class Stop extends OvCommand {
  static override summary = 'Stop agents: all their processes, at once and for good'
  static override description =
    `Their tasks are stopped, their commits kept, mail they have not read goes back to its senders. Nothing that ov did not start gets a signal.

Exit code 1: a process survived, or may have; it is named.`
  static override examples = [
    '<%= config.bin %> stop builder-1',
    '<%= config.bin %> stop lead-1 --tree --reason "Wrong approach"',
    '<%= config.bin %> stop --all',
  ]
  static override strict = false
  static override args = { agent: Args.string({ description: 'name of an agent; several may be given' }) }
  static override flags = {
    all: Flags.boolean({ default: false, description: 'everybody, those that wait for a place too' }),
    tree: Flags.boolean({ default: false, description: 'also all agents that these have slung' }),
    reason: Flags.string({ description: 'why, for the record' }),
  }

  protected static override evenMisconfigured = true

  protected static override forAgents = 'spawner' as const

  async run() {
    const { argv, flags } = await this.parse(Stop)
    const { all, tree, reason } = flags
    const agents = argv.map(String)
    const result = await this.call('stop', { agents, all, tree, ...(reason === undefined ? {} : { reason }) })
    for (const one of result.stopped) this.log(sayStopped(one))
    for (const line of sayRemains(result.stopped)) this.say(line)
    if (result.stopped.some(({ survivors }) => survivors.length > 0)) process.exitCode = EXIT_CODES.failed
    return result
  }
}
