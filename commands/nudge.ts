import { Args } from '@oclif/core'
import { namedAgent } from '../src/agents/named.ts'
import { OvCommand } from '../src/cli/command.ts'
import { textOf } from '../src/cli/mail-command.ts'
import { OvError } from '../src/errors.ts'
import { oneLine } from '../src/mail/frame.ts'
import { loadRuntime } from '../src/runtimes/registry.ts'

export default class Nudge extends OvCommand {
  static override summary = 'Say something urgent to an agent'
  static override description =
    'It is urgent mail: it reaches the agent in the middle of its work where its runtime can take it then, else when its turn ends.'
  static override examples = [
    '<%= config.bin %> nudge builder-1 "Leave the database alone, only the form."',
    'cat notes.md | <%= config.bin %> nudge builder-1 -',
  ]
  static override args = {
    agent: Args.string({ required: true, description: 'name of the agent' }),
    text: Args.string({ required: true, description: 'what you want to say; - reads standard input' }),
  }

  async run() {
    const { args } = await this.parse(Nudge)
    const project = await this.project()
    const agent = await namedAgent(project, args.agent)
    const text = await textOf(args.text)
    if (text.trim() === '')
      throw new OvError('user', 'nudge.empty', 'There is nothing to say.', { hint: `ov nudge ${agent.name} "…"` })
    const { sent } = await this.call('mail.send', {
      to: agent.name,
      type: 'status',
      priority: 'urgent',
      subject: oneLine(text, 120),
      body: text,
    })
    const { can } = await loadRuntime(agent.runtime)
    this.say(
      can.prompts
        ? `${agent.name} will get it ${can.steer ? 'at once' : 'when its turn ends'}.`
        : `${agent.name} runs a command. It gets your message only if it asks: ov mail check`,
    )
    return { agent: agent.name, mail: sent[0]?.id ?? null }
  }
}
