import { OvCommand } from '../../src/cli/command.ts'
import { exampleConfig } from '../../src/config/example.ts'

export default class ConfigExample extends OvCommand {
  static override summary = 'Print an overstory.yaml with every key and what it means'
  static override examples = ['<%= config.bin %> config example > overstory.yaml']

  async run() {
    await this.parse(ConfigExample)
    const text = exampleConfig()
    this.log(text.trimEnd())
    return { text }
  }
}
