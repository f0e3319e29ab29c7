import { OvCommand } from '../../src/cli/command.ts'
import { style } from '../../src/cli/style.ts'
import { oneLine } from '../../src/mail/frame.ts'
import { type Tried, tryChannels } from '../../src/notify/test.ts'

export default class NotifyTest extends OvCommand {
  static override summary = 'Send a trial message on every channel by which you are told'
  static override description =
    `Channels are configured by notify: in overstory.local.yaml: your desktop, a command of yours, a webhook.

Exit codes: 0 all of them took it · 1 one did not.`
  static override examples = ['<%= config.bin %> notify test']

  async run(): Promise<{ channels: Tried[] }> {
    await this.parse(NotifyTest)
    const channels = await tryChannels(await this.project())
    for (const { channel, why } of channels)
      this.log(why === null ? `${style.green('✔')} ${channel}` : `${style.red('✖')} ${channel}: ${oneLine(why, 300)}`)
    if (channels.some(({ ok }) => !ok)) process.exitCode = 1
    return { channels }
  }
}
