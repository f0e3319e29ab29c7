import { Args } from '@oclif/core'
import { OvCommand } from '../../src/cli/command.ts'
import { type Explained, explainConfig, type Origin } from '../../src/config/explain.ts'
import { loadConfig } from '../../src/config/load.ts'
import { placeName, sayProblem } from '../../src/config/problem.ts'
import { oneLine } from '../../src/mail/frame.ts'
import { findRoot } from '../../src/project.ts'

export default class ConfigExplain extends OvCommand {
  static override summary = 'Say for each key its value and where that comes from'
  static override args = {
    key: Args.string({ description: 'a key, such as agents.maxConcurrent, or a part of the tree, such as agents' }),
  }
  static override examples = ['<%= config.bin %> config explain', '<%= config.bin %> config explain runtime.default']

  async run() {
    const { args } = await this.parse(ConfigExplain)
    const { root } = await findRoot(process.cwd())
    const { layers, warnings } = await loadConfig(root)
    for (const warning of warnings) this.say(`Warning: ${sayProblem(warning)}`)
    const settings = explainConfig(layers, args.key)
    const [only] = settings
    if (settings.length === 1 && only) this.log(atLength(only))
    else this.log(asTable(settings))
    return { settings }
  }
}

const value = (origin: Origin) => (origin.value === null ? '(unset)' : oneLine(JSON.stringify(origin.value), 200))
const from = (origin: Origin) => (origin.file === null ? 'default' : placeName(oneLine(origin.file, 200), origin.place))

function asTable(settings: readonly Explained[]): string {
  const width = Math.max(...settings.map((setting) => setting.key.length))
  const room = Math.min(48, Math.max(...settings.map((setting) => value(setting).length)))
  return settings
    .map((setting) => `${setting.key.padEnd(width)}  ${value(setting).padEnd(room)}  ${from(setting)}`)
    .join('\n')
}

function atLength(setting: Explained): string {
  return [
    `${setting.key} = ${value(setting)}`,
    `  from     ${from(setting)}`,
    ...setting.below.map((origin) => `  instead of ${value(origin)} (${from(origin)})`),
    `  means    ${setting.description}`,
    `  variable ${setting.variable}`,
  ].join('\n')
}
