import { Args } from '@oclif/core'
import { OvCommand } from '../src/cli/command.ts'
import { completionScript, INSTALLATION, SHELLS, type Shell } from '../src/cli/completion-scripts.ts'

export default class Completion extends OvCommand {
  static override summary = 'Print the completion script for your shell: commands, flags, names of agents and runs'
  static override description = `Put it where your shell looks for completions:

${SHELLS.map((shell) => `  ${INSTALLATION[shell]}`).join('\n')}`
  static override examples = [
    '<%= config.bin %> completion bash > ~/.local/share/bash-completion/completions/ov',
    { description: 'In this shell only:', command: 'source <(<%= config.bin %> completion bash)' },
  ]
  static override args = {
    shell: Args.option({ options: SHELLS })({ description: 'the shell you use', required: true }),
  }

  async run() {
    const { args } = await this.parse(Completion)
    const shell: Shell = args.shell
    const script = completionScript(shell)
    this.log(script.trimEnd())
    if (process.stdout.isTTY) this.say(`\nTo keep it: ${INSTALLATION[shell]}`)
    return { shell, script, install: INSTALLATION[shell] }
  }
}
