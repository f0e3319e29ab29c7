import { OvCommand } from '../src/cli/command.ts'
import { EXIT_CODES } from '../src/errors.ts'
import { landWaiting } from '../src/merge/queue.ts'
import { sayLanding } from '../src/merge/say.ts'

export default class Land extends OvCommand {
  static override summary = 'Bring your checkout along with what is merged'
  static override description =
    `Branch, index and files move together, by a fast-forward, when no tracked file is changed in the checkout of the canonical branch. Otherwise it is left alone, and this says why.

Exit codes: 0 landed, or nothing waits · 4 another landing is under way · 6 something of yours is in the way.`
  static override examples = ['<%= config.bin %> land', '<%= config.bin %> land --json']

  async run() {
    await this.parse(Land)
    const project = await this.project()
    const { landing, blocked } = await landWaiting(project, {
      gone: this.gone,
      onWait: (pid) => this.say(`Another ov (pid ${pid}) merges; waiting for it.`),
    })
    this.log(blocked === null ? sayLanding(landing) : blocked.why)
    if (blocked !== null) this.say(`Hint: ${blocked.hint}`)
    else if (!landing.landed && landing.hint !== '') this.say(`Hint: ${landing.hint}`)
    if (blocked !== null) process.exitCode = EXIT_CODES.blocked
    else if (!landing.landed && landing.why !== 'up-to-date')
      process.exitCode = landing.why === 'busy' ? EXIT_CODES.busy : EXIT_CODES.blocked
    return { landing, blocked }
  }
}
