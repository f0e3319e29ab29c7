import { Flags } from '@oclif/core'
import { OvCommand } from '../src/cli/command.ts'
import { showSteps } from '../src/cli/progress.ts'
import { style } from '../src/cli/style.ts'
import { demoLog, demoTree, makeDemoRepository, removeDemoRepository, slingDemo } from '../src/demo/demo.ts'
import { initProject } from '../src/preflight/init.ts'
import { openProject } from '../src/project.ts'
import { lineOf, type Outcome } from '../src/tasks/outcome.ts'
import { followTask } from '../src/tasks/progress.ts'

export default class Demo extends OvCommand {
  static override summary = 'Watch a small fleet at work in a throw-away repository'
  static override description =
    'Needs no agent and no key: the agents are shell commands. One writes and mails, one waits for that mail and uses it, one gets its work back from a red gate and mends it. All is merged and landed on main.'
  static override examples = ['<%= config.bin %> demo', '<%= config.bin %> demo --remove']
  static override flags = {
    remove: Flags.boolean({ description: 'remove the repository afterwards' }),
  }

  async run() {
    const { flags } = await this.parse(Demo)
    const repository = await makeDemoRepository()
    this.say(`A new repository: ${repository}`)
    await initProject(repository, { rewrite: null })
    const project = await openProject(repository)
    try {
      const slung = await slingDemo(project)
      const outcomes: Outcome[] = []
      await showSteps(
        slung.map(({ agent, task }) => ({
          name: `${agent.name}: ${task.title}`,
          work: async (tell) => {
            const outcome = await followTask(project, task.id, tell, { timeoutMs: 60_000, gone: this.gone })
            outcomes.push(outcome)
            return lineOf(outcome)
          },
        })),
        { quiet: this.silent },
      )
      const tree = await demoTree(project)
      this.log(`\n${style.bold('What is on main now')}\n${tree.map((file) => `  ${file}`).join('\n')}`)
      this.log(`\n${style.bold('How it got there')}\n${await demoLog(project)}`)
      const merged = outcomes.filter((outcome) => outcome.state === 'merged').length
      if (merged < slung.length) process.exitCode = 1
      if (flags.remove) await removeDemoRepository(repository, slung)
      else this.log(`\n${style.bold('What next')}\n${nextSteps(repository)}`)
      return { repository, merged, tasks: outcomes, tree }
    } finally {
      await project.close()
    }
  }
}

function nextSteps(repository: string): string {
  return [
    `  cd ${repository}`,
    '  ov status                     what became of the three',
    '  ov mail list                  what they told you',
    '  ov logs shouter               what the gate said, and what it did about it',
    "  ov sling --runtime shell --task 'Say bye' --command 'echo BYE > bye.txt' --wait",
    '',
    '  In your own repository: ov init, then ov sling --task "…"',
    '  (From this checkout `ov` is: npx ov)',
  ].join('\n')
}
