import { screenOf } from '../../agents/attach.ts'
import { namedAgent } from '../../agents/named.ts'

import { OvError } from '../../errors.ts'
import { oneLine } from '../../mail/frame.ts'
import { run, runOnTerminal } from '../../os/process.ts'
import { OV_MAIN } from '../../place.ts'
import type { Project } from '../../project.ts'

/** What became of an action, in a line; nothing to say where it is empty. */
export interface Done {
  readonly text: string
  readonly bad: boolean
}

/** What keys do outside the screen. */
export interface Actions {
  nudge(agent: string, text: string): Promise<Done>
  reply(mail: string, text: string): Promise<Done>
  stop(agent: string): Promise<Done>
  /** Gives the terminal to the agent's screen until the person leaves that. */
  attach(agent: string): Promise<Done>
  /** Stops this process as Ctrl-Z does, until it is continued. */
  suspend(): Promise<void>
  redraw(): Promise<void>
}

/** Gives the terminal away while `work` has it. */
export type Lend = (work: () => Promise<void>) => Promise<void>

/** Longer than any command here takes, in ms. */
const PATIENCE_MS = 60_000

/**
 * The actions, each done by the command a person would type, in a process of its own: the monitor's own connection can
 * write nothing.
 */
export function actionsOf(project: Project, lend: Lend): Actions {
  const ov = async (...args: string[]): Promise<Done> => {
    const { ok, output, timedOut } = await run([process.execPath, OV_MAIN, ...args], {
      cwd: project.configRoot,
      timeoutMs: PATIENCE_MS,
    })
    const said = output.split('\n').map((line) => oneLine(line.replace(/^✖ /, ''), 300))
    const text = said.filter((line) => line !== '').join(' ')
    return { text: timedOut ? 'It takes too long. See how things stand: ov status' : text, bad: !ok }
  }
  return {
    // What is said is an argument of its own behind `--`: it is never taken for a flag.
    nudge: (agent, text) => ov('nudge', '--', agent, text),
    reply: (mail, text) => ov('mail', 'reply', mail, `--body=${text}`),
    stop: (agent) => ov('stop', '--reason=Stopped in ov monitor.', '--', agent),
    async attach(name) {
      try {
        const command = await screenOf(project, await namedAgent(project, name), { write: false })
        // tmux refuses to run inside another one; ours is a server of its own, so it may.
        const { TMUX: _outer, ...env } = process.env
        let code = 0
        await lend(async () => {
          code = await runOnTerminal(command, env)
        })
        return { text: code === 0 ? '' : `The screen of ${name} could not be shown.`, bad: code !== 0 }
      } catch (error) {
        if (!(error instanceof OvError)) throw error
        return { text: `${error.message}${error.hint === undefined ? '' : ` ${error.hint}`}`, bad: true }
      }
    },
    suspend: () =>
      lend(async () => {
        process.kill(process.pid, 'SIGTSTP')
      }),
    redraw: () => lend(async () => undefined),
  }
}
