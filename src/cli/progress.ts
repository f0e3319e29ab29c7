import { Listr, ListrLogger, ProcessOutput } from 'listr2'
import { type LongStep, writeSteps } from './steps.ts'

/**
 * Runs steps side by side and shows them: live on a terminal, a line for each change elsewhere. All on stderr, so
 * that stdout stays data.
 */
export async function showSteps(steps: readonly LongStep[], options: { readonly quiet: boolean }): Promise<void> {
  if (options.quiet || !process.stderr.isTTY || process.env.CI || process.env.TERM === 'dumb')
    return writeSteps(steps, { quiet: options.quiet, write: (text) => process.stderr.write(text) })
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
