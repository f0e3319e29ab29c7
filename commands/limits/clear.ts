import { Args } from '@oclif/core'
import { dispatchQueued } from '../../src/agents/start.ts'
import { OvCommand } from '../../src/cli/command.ts'
import { clearLimits } from '../../src/limits/clear.ts'

export default class LimitsClear extends OvCommand {
  static override summary = 'Take limits for over: who waits for them goes on'
  static override description =
    `After a refused login was mended in a way that ov cannot see, or when you know better than an estimate. What is still held up is met again by the first that asks.`
  static override examples = ['<%= config.bin %> limits clear', '<%= config.bin %> limits clear claude']
  static override args = {
    runtime: Args.string({ description: 'only those of this runtime, or provider' }),
  }

  async run() {
    const { args } = await this.parse(LimitsClear)
    const project = await this.project()
    const cleared = await clearLimits(project, args.runtime)
    await dispatchQueued(project)
    for (const { provider, account } of cleared) this.log(`${provider} (${account}) may be asked again.`)
    if (cleared.length === 0)
      this.say(`No account ${args.runtime === undefined ? '' : `of ${args.runtime} `}was held up.`)
    return { cleared }
  }
}
