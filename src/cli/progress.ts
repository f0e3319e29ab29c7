import { Listr, ListrLogger, ProcessOutput } from 'listr2'

/** Something that takes a while: its name, and the work, which tells what it is doing. Gives its last line. */
export interface LongStep {
  readonly name: string
  readonly work: (tell: (doing: string) => void) => Promise<{ readonly ok: boolean; readonly line: string }>
}

/**
 * Runs steps side by side and shows them: live on a terminal, a line for each change elsewhere. All on stderr, so
 * that stdout stays data.
 */
export async function showSteps(steps: readonly LongStep[], options: { readonly quiet: boolean }): Promise<void> {
  if (options.quiet) {
    await Promise.all(steps.map((step) => step.work(() => undefined)))
    return
  }
  if (!process.stderr.isTTY || process.env.CI || process.env.TERM === 'dumb') {
    await Promise.all(
      steps.map(async (step) => {
        const { ok, line } = await step.work((doing) => process.stderr.write(`${step.name}: ${doing}\n`))
        process.stderr.write(`${ok ? '✔' : '✖'} ${step.name}: ${line}\n`)
      }),
    )
    return
  }
  const logger = new ListrLogger({ processOutput: new ProcessOutput(process.stderr, process.stderr), useIcons: true })
  const list = new Listr(
    steps.map((step) => ({
      title: step.name,
      task: async (_context, task) => {
        const { ok, line } = await step.work((doing) => {
          task.title = `${step.name} — ${doing}`
        })
        task.title = `${step.name} — ${line}`
        if (!ok) throw new Error(line)
      },
    })),
    {
      concurrent: true,
      exitOnError: false,
      // Ctrl-C is for the command to handle.
      registerSignalListeners: false,
      rendererOptions: { logger, showErrorMessage: false, collapseErrors: false },
    },
  )
  await list.run()
}
