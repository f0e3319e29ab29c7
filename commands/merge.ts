import { Flags } from '@oclif/core'
import { OvCommand } from '../src/cli/command.ts'
import { followMerges } from '../src/cli/merging.ts'
import { showSteps } from '../src/cli/progress.ts'
import { predictMerges } from '../src/merge/predict.ts'
import { exitCodeOf, sayOutcome, sayPrediction } from '../src/merge/say.ts'

export default class Merge extends OvCommand {
  static override summary = 'Merge what agents have finished, each on green gates'
  static override description =
    `Takes the merge queue, oldest first: a conflict or a red gate goes back to its author, the rest is merged and lands in your checkout. With merge.auto (the default) this happens by itself as agents finish.

Exit codes: 0 all merged · 3 something conflicts or turned a gate red · 6 a human has to decide something first.`
  static override examples = [
    '<%= config.bin %> merge',
    '<%= config.bin %> merge --dry-run',
    '<%= config.bin %> merge --branch ov/run-1/builder-2 --no-land',
  ]
  static override flags = {
    all: Flags.boolean({ description: 'the whole queue (the default)', exclusive: ['branch'] }),
    branch: Flags.string({
      char: 'b',
      description: 'only this branch of the queue, or that of the agent of this name',
    }),
    'dry-run': Flags.boolean({ char: 'n', description: 'say what would be merged and what conflicts; change nothing' }),
    land: Flags.boolean({ allowNo: true, default: true, description: 'bring your checkout along' }),
  }

  async run() {
    const { flags } = await this.parse(Merge)
    const project = await this.project()
    if (flags['dry-run']) {
      const prediction = await predictMerges(project, flags.branch)
      this.log(sayPrediction(prediction))
      return prediction
    }
    const outcome = await followMerges(project, { branch: flags.branch, land: flags.land, gone: this.gone }, (steps) =>
      showSteps(steps, { quiet: this.silent }),
    )
    const { result, beside } = sayOutcome(outcome)
    for (const line of result) this.log(line)
    for (const line of beside) this.say(line)
    process.exitCode = exitCodeOf(outcome)
    return outcome
  }
}
