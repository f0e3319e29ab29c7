import { screenOf } from '../agents/attach.ts'
import type { Agent } from '../agents/store.ts'
import { OvError } from '../errors.ts'
import { runOnTerminal } from '../os/process.ts'
import type { Project } from '../project.ts'

/**
 * Shows an agent's screen on this terminal until the person leaves it; with `json` gives the command that does.
 *
 * @throws {OvError} `attach.no-terminal`, and what `screenOf` throws
 */
export async function attachTo(
  project: Project,
  agent: Agent,
  { write = agent.mode === 'interactive', json }: { write?: boolean; json: boolean },
): Promise<{ agent: string; command: string[] } | undefined> {
  const command = await screenOf(project, agent, { write })
  if (json) return { agent: agent.name, command }
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new OvError('user', 'attach.no-terminal', 'To attach takes a terminal.', {
      hint: `Follow it instead: ov logs ${agent.name} -f`,
    })
  }
  if (['', 'dumb', 'unknown'].includes(process.env.TERM ?? '')) {
    throw new OvError(
      'user',
      'attach.dumb-terminal',
      `This terminal can't show a screen (TERM=${process.env.TERM ?? ''}).`,
      {
        hint: `Follow it instead: ov logs ${agent.name} -f`,
      },
    )
  }
  // tmux refuses to run inside another one; ours is a server of its own, so it may.
  const { TMUX: _outer, ...env } = process.env
  process.exitCode = await runOnTerminal(command, env)
  return undefined
}
