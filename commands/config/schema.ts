import { OvCommand } from '../../src/cli/command.ts'
import { configJsonSchema } from '../../src/config/load.ts'

export default class ConfigSchema extends OvCommand {
  static override summary = 'Print the JSON schema of overstory.yaml, for editors'
  static override examples = ['<%= config.bin %> config schema > overstory.schema.json']

  async run() {
    await this.parse(ConfigSchema)
    const schema = configJsonSchema()
    this.log(JSON.stringify(schema, null, 2))
    return schema
  }
}
