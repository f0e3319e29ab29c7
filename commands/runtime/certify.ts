import { availableParallelism } from 'node:os'
import { Args, Flags } from '@oclif/core'
import { findCandidates } from '../../src/certify/candidates.ts'
import { type Certificate, holds } from '../../src/certify/certificate.ts'
import { certify } from '../../src/certify/certify.ts'
import { certifyLive } from '../../src/certify/live.ts'
import { publish, requireSource } from '../../src/certify/publish.ts'
import { slots } from '../../src/certify/slots.ts'
import type { Candidate } from '../../src/certify/stage.ts'
import { confirm } from '../../src/cli/ask.ts'
import { certifyScreen, sayFinding, totals } from '../../src/cli/certify-screen.ts'
import { OvCommand } from '../../src/cli/command.ts'
import { showSteps } from '../../src/cli/progress.ts'
import { screenWidth } from '../../src/cli/style.ts'
import { OvError } from '../../src/errors.ts'
import { settingsAround } from '../../src/preflight/settings.ts'

export default class RuntimeCertify extends OvCommand {
  static override summary = 'Prove what an agent CLI does for ov, with the CLI as it is installed here'
  static override description =
    `Each proof drives ov from outside, in a home, a repository and a runtime folder of its own, against a scripted model on loopback: no account, no network, no bill, and nothing of yours is touched. It takes a few minutes a CLI.

With --live it is your own login and the real service instead: one question and one small task in a throw-away repository. You are asked first.

What an adapter does not claim is not tried, and said so.

Exit codes: 0 all that is claimed is proved · 1 it is not · 6 --live without your word.`
  static override examples = [
    '<%= config.bin %> runtime certify claude',
    '<%= config.bin %> runtime certify',
    '<%= config.bin %> runtime certify codex --live',
  ]
  static override strict = false
  static override args = {
    runtime: Args.string({ description: 'names of runtimes; without any, all that are installed' }),
  }
  static override flags = {
    live: Flags.boolean({ description: 'with your login, against the real service' }),
    yes: Flags.boolean({ char: 'y', description: 'with --live: do not ask', dependsOn: ['live'] }),
    update: Flags.boolean({
      description: 'write the certificates into the documentation of ov, in its source',
      exclusive: ['live'],
    }),
  }

  async run() {
    const { argv, flags } = await this.parse(RuntimeCertify)
    this.humansOnly()
    if (flags.update) requireSource()
    const { config } = await settingsAround(process.cwd())
    const { candidates, passedOver } = await findCandidates(config, argv as string[])
    for (const { why } of passedOver) this.say(`Passed over: ${why}`)
    if (flags.live && !flags.yes) await this.#mayGoLive(candidates)
    const slot = slots(availableParallelism() + 1)
    const signal = this.gone
    const certificates: Certificate[] = []
    await showSteps(
      candidates.map((candidate) => ({
        name: candidate.runtime.id,
        work: async (tell) => {
          const each = (finding: Certificate['findings'][number]) => tell(sayFinding(finding))
          const certificate = await (flags.live
            ? certifyLive(candidate, config, { each, signal })
            : certify(candidate, { each, slot, signal }))
          certificates.push(certificate)
          return { ok: holds(certificate), line: totals(certificate) }
        },
      })),
      { quiet: this.silent },
    )
    signal.throwIfAborted()
    if (flags.update) publish(certificates)
    for (const line of certifyScreen(certificates, screenWidth())) this.log(line)
    if (!certificates.every(holds)) process.exitCode = 1
    return { certificates, passedOver }
  }

  async #mayGoLive(candidates: readonly Candidate[]): Promise<void> {
    const names = candidates.map(({ runtime }) => runtime.title).join(', ')
    if (
      this.mayAsk &&
      (await confirm(`Ask a question of ${names} and give a small task, by your login and at your cost?`))
    )
      return
    throw new OvError('blocked', 'certify.not-asked', 'Nothing was asked of anybody: it needs your word.', {
      hint: `ov runtime certify ${this.argv.join(' ')} --yes`,
    })
  }
}
