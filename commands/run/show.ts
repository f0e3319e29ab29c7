import { Args } from '@oclif/core'
import { ago, span } from '../../src/cli/ages.ts'
import { OvCommand } from '../../src/cli/command.ts'
import { agentTable } from '../../src/cli/status-screen.ts'
import { screenWidth, style } from '../../src/cli/style.ts'
import { cutTo } from '../../src/cli/width.ts'
import { reportOneRun } from '../../src/reports/run-report.ts'

export default class RunShow extends OvCommand {
  static override summary = 'Show a run with all its agents, those that have ended too'
  static override examples = ['<%= config.bin %> run show', '<%= config.bin %> run show run-2']
  static override args = { run: Args.string({ description: 'name of the run; without it the current or last one' }) }

  async run() {
    const { args } = await this.parse(RunShow)
    const project = await this.project()
    const shown = await reportOneRun(project, args.run)
    if (shown === null) {
      this.say('No run yet. Begin one: ov sling --task "…"')
      return { run: null, agents: [] }
    }
    const { run, agents } = shown
    const at = project.clock.now()
    const took = `${run.endedAt === null ? 'going on for' : 'took'} ${span((run.endedAt ?? at) - run.createdAt)}`
    const facts = [`began ${ago(run.createdAt, at)}`, took, `${run.merged} of ${run.agents} merged`]
    this.log(style.bold(cutTo(`${run.name} · ${facts.join(' · ')}`, screenWidth())))
    this.log('')
    const rows = agents.map((agent) => ({ agent, at }))
    for (const line of agentTable(rows, screenWidth())) this.log(line)
    return shown
  }
}
