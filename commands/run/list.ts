import { ago, counted, span } from '../../src/cli/ages.ts'
import { OvCommand } from '../../src/cli/command.ts'
import { screenWidth, style } from '../../src/cli/style.ts'
import { type Column, table } from '../../src/cli/table.ts'
import { type RunReport, reportRuns } from '../../src/reports/run-report.ts'

export default class RunList extends OvCommand {
  static override summary = 'List the runs of the fleet, newest first'
  static override examples = ['<%= config.bin %> run list']

  async run() {
    await this.parse(RunList)
    const project = await this.project()
    const runs = await reportRuns(project)
    if (runs.length === 0) this.say('No run yet. Begin one: ov sling --task "…"')
    else
      for (const line of table(runs, columns(project.clock.now()), { width: screenWidth(), paintTitle: style.dim }))
        this.log(line)
    return { runs }
  }
}

const some = (number: number) => (number === 0 ? '' : String(number))

function columns(now: number): Column<RunReport>[] {
  return [
    { title: 'RUN', cell: ({ name }) => ({ text: name, paint: style.bold }) },
    { title: 'BEGAN', cell: ({ createdAt }) => ago(createdAt, now), goes: 4 },
    { title: 'TOOK', cell: ({ createdAt, endedAt }) => span((endedAt ?? now) - createdAt), align: 'right', goes: 3 },
    { title: 'AGENTS', cell: ({ agents }) => String(agents), align: 'right', goes: 5 },
    { title: 'OPEN', cell: ({ open }) => ({ text: some(open), paint: style.green }), align: 'right' },
    { title: 'MERGED', cell: ({ merged }) => ({ text: some(merged), paint: style.cyan }), align: 'right' },
    { title: 'FAILED', cell: ({ failed }) => ({ text: some(failed), paint: style.red }), align: 'right', goes: 1 },
    { title: 'STOPPED', cell: ({ stopped }) => some(stopped), align: 'right', goes: 6 },
    { title: 'TOKENS', cell: ({ usage }) => tokens(usage), align: 'right', goes: 7 },
    {
      title: 'COST',
      cell: ({ usage }) => (usage.costUsd === null ? '' : `$${usage.costUsd.toFixed(2)}`),
      align: 'right',
      goes: 2,
    },
  ]
}

function tokens({ input, output }: RunReport['usage']): string {
  return input === null && output === null ? '' : `${counted(input)}/${counted(output)}`
}
