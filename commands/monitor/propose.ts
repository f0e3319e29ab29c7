import { Flags } from '@oclif/core'
import { OvCommand } from '../../src/cli/command.ts'
import { oneLine } from '../../src/mail/frame.ts'
import { proposedVerdict, VERDICT_NAMES } from '../../src/watchdog/triage-rules.ts'

export default class MonitorPropose extends OvCommand {
  static override summary = 'Inside a monitor: propose what is to be done about an agent'
  static override description =
    'Code decides by the facts whether it is done: nobody is ended by your word alone. What is not done is put to whom the agent reports to.'
  static override examples = [
    '<%= config.bin %> monitor propose --agent builder-1 --verdict nudge --text "Port 80 is taken, use 8080" --why "It tries the same port again and again"',
    '<%= config.bin %> monitor propose --agent builder-1 --verdict wait --minutes 20 --why "It compiles"',
    '<%= config.bin %> monitor propose --agent builder-1 --verdict reassign --runtime codex --why "Its provider fails"',
  ]
  static override flags = {
    agent: Flags.string({ required: true, description: 'name of the agent', helpValue: 'NAME' }),
    verdict: Flags.option({ options: VERDICT_NAMES, required: true, description: 'what is to be done' })(),
    why: Flags.string({ required: true, description: 'one sentence: what you conclude it from' }),
    minutes: Flags.integer({ min: 1, max: 60, description: 'for wait: how long', helpValue: 'MINUTES' }),
    text: Flags.string({
      description: 'for nudge, restart-fresh, ask-human, give-up: what it is told, is to know, is asked; the reason',
    }),
    runtime: Flags.string({ description: 'for reassign: the runtime that goes on', helpValue: 'NAME' }),
    option: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      description: 'for ask-human: an answer to choose from; may be repeated',
    }),
  }

  protected static override forAgents = 'monitor' as const

  async run() {
    const { flags } = await this.parse(MonitorPropose)
    const proposed = await this.call('monitor.propose', { agent: flags.agent, verdict: proposedVerdict(flags) })
    const instead =
      proposed.objection === null ? '' : ` instead of ${proposed.proposed}: ${oneLine(proposed.objection)}`
    this.log(`${proposed.agent}: ${proposed.done}${instead}`)
    return proposed
  }
}
