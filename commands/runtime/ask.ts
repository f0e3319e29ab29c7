import { Args, Flags } from '@oclif/core'
import { OvCommand } from '../../src/cli/command.ts'
import { textOf } from '../../src/cli/mail-command.ts'
import { plainText } from '../../src/mail/frame.ts'
import { askRuntime } from '../../src/preflight/ask-runtime.ts'

export default class RuntimeAsk extends OvCommand {
  static override summary = 'Ask an agent CLI one question, without an agent, tools or a trace'
  static override description =
    `It is asked in an empty folder, with its tools off as far as it lets them be, and whatever it started ends with it. Answers cost what the CLI's account costs.

With --schema the answer is a JSON value that fits; an answer that does not is sent back once.

Exit codes: 1 no answer, or none that fits · 7 no answer in time.`
  static override examples = [
    '<%= config.bin %> runtime ask claude "Which port does Redis use?"',
    'git diff | <%= config.bin %> runtime ask codex -',
    '<%= config.bin %> runtime ask claude "Is this a bug? …" --schema verdict.schema.json',
  ]
  static override args = {
    runtime: Args.string({ required: true, description: 'which CLI' }),
    question: Args.string({ required: true, description: 'what you want to know; - reads standard input' }),
  }
  static override flags = {
    model: Flags.string({ char: 'm', description: 'model, as the runtime calls it', helpValue: 'MODEL' }),
    schema: Flags.string({ description: 'a file with the JSON Schema that the answer has to fit', helpValue: 'FILE' }),
    timeout: Flags.integer({ min: 1, default: 120, description: 'seconds to wait', helpValue: 'SECONDS' }),
  }

  async run() {
    const { args, flags } = await this.parse(RuntimeAsk)
    this.humansOnly()
    const answered = await askRuntime(process.cwd(), {
      runtime: args.runtime,
      text: await textOf(args.question),
      ...(flags.model === undefined ? {} : { model: flags.model }),
      ...(flags.schema === undefined ? {} : { schemaFile: flags.schema }),
      timeoutMs: flags.timeout * 1000,
      signal: this.gone,
    })
    this.log(answered.value === null ? plainText(answered.answer) : JSON.stringify(answered.value, null, 2))
    return answered
  }
}
