import { EXIT_CODES } from '../errors.ts'
import { PACKAGE_FOLDER } from '../place.ts'
import { interruption, isInterrupted } from './interruption.ts'

/** Everything that the fast door leaves. */
export async function enter(argv: readonly string[]): Promise<void> {
  if (argv[0] === 'tend') {
    const { tendMain } = await import('../watchdog/tend-main.ts')
    return tendMain(argv.slice(1), interruption())
  }
  const { Config, Errors, run } = await import('@oclif/core')
  const words = meant(argv)
  try {
    // Without oclif's own flush: it waits for ever where whoever read our output has gone, and Node writes all by itself.
    await run(words, PACKAGE_FOLDER)
    // A command that ended in good order because it was interrupted was interrupted all the same.
    if (isInterrupted()) process.exitCode = EXIT_CODES.interrupted
  } catch (error) {
    // Commands say their errors themselves. What comes here is help, or no command at all.
    if (error instanceof Errors.ExitError) {
      process.exitCode = error.oclif.exit ?? 0
      return
    }
    const [{ explain, sayFailure }, { failureDocument }] = await Promise.all([
      import('./failure.ts'),
      import('./explained.ts'),
    ])
    // Loaded once more, since a configuration handed to `run` is loaded once more by it.
    const config = await Config.load(PACKAGE_FOLDER)
    const commands = config.commands.filter(({ hidden }) => !hidden).map(({ id }) => id.replaceAll(':', ' '))
    const failure = explain(error, 'ov', { commands })
    process.exitCode = failure.exitCode
    if (words.includes('--json')) process.stdout.write(`${JSON.stringify(failureDocument(failure), null, 2)}\n`)
    else sayFailure(failure)
  }
}

/** `ov` alone is an overview, `ov help stop` is `ov stop --help`. */
function meant(argv: readonly string[]): string[] {
  if (argv.every((word) => ['--json', '--quiet', '-q', '--no-input'].includes(word))) return ['overview', ...argv]
  return argv[0] === 'help' ? [...argv.slice(1), '--help'] : [...argv]
}
