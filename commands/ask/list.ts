import { Flags } from '@oclif/core'
import { questionsScreen } from '../../src/cli/ask-screen.ts'
import { OvCommand } from '../../src/cli/command.ts'
import { screenWidth } from '../../src/cli/style.ts'
import { listQuestions, type OpenQuestion } from '../../src/escalation/questions.ts'

export default class AskList extends OvCommand {
  static override summary = 'List what waits for your answer, that which holds up most first'
  static override description =
    'Questions of agents, decisions, and what is to become of agents in trouble. Listing delivers no mail.'
  static override examples = ['<%= config.bin %> ask list', '<%= config.bin %> ask list --all']
  static override flags = {
    all: Flags.boolean({ description: 'also what waits for an answer of an agent' }),
  }

  async run(): Promise<{ at: number; questions: OpenQuestion[] }> {
    const { flags } = await this.parse(AskList)
    const project = await this.project()
    const questions = await listQuestions(project, flags.all ? 'all' : 'human')
    const at = project.clock.now()
    if (questions.length > 0) for (const line of questionsScreen(questions, at, screenWidth())) this.log(line)
    else
      this.say(
        flags.all ? 'Nobody waits for an answer.' : 'Nobody waits for an answer of yours. All: ov ask list --all',
      )
    return { at, questions }
  }
}
