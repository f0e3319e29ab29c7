import { Args, Flags } from '@oclif/core'
import { confirm } from '../../src/cli/ask.ts'
import { OvCommand } from '../../src/cli/command.ts'
import { OvError } from '../../src/errors.ts'
import { ownRuntime, trustOwn } from '../../src/preflight/own.ts'

export default class RuntimeTrust extends OvCommand {
  static override summary = 'Trust an adapter of your own in .overstory/runtimes, as it is now'
  static override description =
    `An adapter is a program that ov itself runs, with all that you may do: read it first. What is trusted is this very content, on this machine; once it changes it is not run until you have trusted it again. That is kept in your home folder, so no repository can say it of itself.

Exit codes: 6 nobody is there to ask, and --yes was not given.`
  static override examples = [
    '<%= config.bin %> runtime trust acme',
    '<%= config.bin %> runtime trust acme --yes',
    '<%= config.bin %> runtime trust acme --revoke',
  ]
  static override args = { runtime: Args.string({ required: true, description: 'name of the file, without .js' }) }
  static override flags = {
    yes: Flags.boolean({ char: 'y', exclusive: ['revoke'], description: 'you have read it: do not ask' }),
    revoke: Flags.boolean({ description: 'trust it no longer' }),
  }

  async run() {
    const { args, flags } = await this.parse(RuntimeTrust)
    this.humansOnly()
    const found = await ownRuntime(process.cwd(), args.runtime)
    const { id, path, digest, wanted } = found
    if (!flags.revoke && !found.trusted && !flags.yes) await this.#ask(path, found.text)
    trustOwn(found, !flags.revoke)
    this.say(flags.revoke ? `${path} is no longer trusted.` : `${path} is trusted as it is now.`)
    if (!flags.revoke && !wanted)
      this.say('It is not used yet. In overstory.local.yaml: runtime: { own: true }, then: ov runtime list')
    return { id, path, digest, trusted: !flags.revoke, wanted }
  }

  async #ask(path: string, text: string): Promise<void> {
    if (!this.mayAsk) {
      throw new OvError('blocked', 'runtime.unasked', `${path} would be run by ov, with all that you may do.`, {
        hint: `Read it, then: ov runtime trust ${this.argv[0] ?? ''} --yes`,
      })
    }
    const size = `${text.split('\n').length} lines`
    if (await confirm(`${path} (${size}) will be run by ov, with all that you may do. Have you read it?`)) return
    throw new OvError('interrupted', 'runtime.not-trusted', 'It is not trusted, and nothing was changed.')
  }
}
