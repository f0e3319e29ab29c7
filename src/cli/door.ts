import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Sends a command line through the right door: the runner loads no command framework, all else goes to oclif. */
export async function enter(argv: readonly string[]): Promise<void> {
  // Compiled code is kept between calls; where the folder can't be written, Node goes without.
  enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'ov', 'compiled'))
  if (argv[0] === 'runner') {
    const { runnerMain } = await import('../agents/runner-main.ts')
    return runnerMain(argv.slice(1))
  }
  const { execute } = await import('@oclif/core')
  await execute({ args: [...argv], dir: import.meta.url })
}
