import { recordFor } from '../agents/record.ts'
import type { Agent } from '../agents/store.ts'
import { instructionsFor } from '../capabilities/instructions.ts'
import { runtimeSection } from '../config/runtime-section.ts'
import type { AgentRuntime, Author, SessionSpec } from '../contract/runtime.ts'
import { OvError } from '../errors.ts'
import { nameOf, reportsTo } from '../mail/send.ts'
import { authorOf } from '../os/git.ts'
import { containment } from '../os/sandbox.ts'
import { ownPane } from '../os/tmux.ts'
import { stopProcessesOf } from '../os/tree.ts'
import type { Project } from '../project.ts'
import { programOf } from '../runtimes/programs.ts'
import type { Task } from '../tasks/store.ts'
import { commitFolders, gitIn } from '../worktrees/prepare.ts'
import type { Handover } from './handover.ts'
import { type Hooks, type HooksOptions, openHooks } from './hooks.ts'
import type { Inbox } from './inbox.ts'
import { openInteractive } from './interactive.ts'
import type { RawLog } from './raw-log.ts'
import { openServe } from './serve.ts'
import { openSession, type Session, type SessionOptions } from './session.ts'
import type { SessionIds } from './session-ids.ts'
import { readPlanned, type Workplace, writePlanned } from './workplace.ts'

/** The CLI of an agent, as its runner drives it: what it reports goes into the inbox. */
export interface Cli {
  /** Null until it was opened. */
  readonly session: Session | null
  /** Null for one that has none, and until it was opened. */
  readonly hooks: Hooks | null
  /** Makes it ready to be prompted, once its worktree is there. */
  open(): Promise<void>
  /** Ends it, and all that it has started. Gives the pids of what is still there. */
  stop(): Promise<number[]>
}

export interface CliOptions {
  readonly project: Project
  readonly agent: Agent
  readonly task: Task
  readonly runtime: AgentRuntime
  readonly place: Workplace
  readonly ids: SessionIds
  readonly handover: Handover
  readonly log: RawLog
  readonly inbox: Inbox
}

export function cliOf({ project, agent, task, runtime, place, ids, handover, log, inbox }: CliOptions): Cli {
  const { config, tmux, clock, db } = project
  const { worktree, environment, privateDir } = place
  const { readOnly, tools } = project.roles[agent.capability]
  const interactive = agent.mode === 'interactive'
  let session: Session | null = null
  let hooks: Hooks | null = null

  const specOf =
    ({ instructions, author }: { readonly instructions: string; readonly author: Author | null }) =>
    (prompt: string): SessionSpec => ({
      agent: agent.name,
      sessionId: ids.chosen,
      ...(ids.resume === undefined ? {} : { resume: ids.resume }),
      worktree,
      gitFolders: commitFolders(project, worktree, agent.branch),
      environment,
      privateDir,
      ...(hooks === null ? {} : { hook: hooks.program }),
      ...(agent.model === null ? {} : { model: agent.model }),
      instructions,
      // A command knows its task, not what is said about it.
      prompt: runtime.can.prompts ? prompt : task.body,
      ...(task.command === null ? {} : { command: task.command }),
      readOnly,
      ...(tools === undefined ? {} : { tools }),
      root: process.getuid?.() === 0,
      ...(author === null ? {} : { author }),
      extraArgs: runtimeSection(config, agent.runtime).args,
      ...(ids.turns > 1 ? { feedbackFile: place.feedbackFile } : {}),
      ...(interactive ? { interactive: { repository: project.root } } : {}),
    })

  const hooksFor = (emit: HooksOptions['emit']): Hooks =>
    openHooks({ project, agent, runtime, place, readOnly, handover, emit })

  /** The one place where it is decided how the CLI is driven. */
  const drive = (options: SessionOptions): Session => {
    if (!interactive) {
      if (runtime.hooksBeside) hooks = hooksFor(null)
      return (runtime.can.structured === 'serve' ? openServe : openSession)(options)
    }
    const pane = ownPane()
    if (tmux === null || pane === null || !process.stdout.isTTY) {
      throw new OvError('failed', 'sling.no-screen', 'It needs a screen in tmux, and its runner has none.', {
        hint: 'Sling it with --no-interactive, or find out what is wrong with tmux: ov doctor',
      })
    }
    const onScreen = openInteractive({
      ...options,
      tmux,
      pane,
      now: () => clock.monotonic(),
      reports: runtime.readHook !== undefined,
      dialogs: config.watchdog.dialogs,
      answered: (dialog, { keys, why }) =>
        inbox.put({ is: 'note', type: 'dialog.answered', data: { dialog, answer: keys.join(' '), why } }),
    })
    if (runtime.readHook !== undefined) hooks = hooksFor((event) => onScreen.report(event))
    return onScreen
  }

  return {
    get session() {
      return session
    },
    get hooks() {
      return hooks
    },
    async open() {
      const parent = await nameOf(db, await reportsTo(db, agent))
      const instructions = instructionsFor(project, agent, task, parent)
      const author = await authorOf(gitIn(project, worktree))
      const held = await containment(config.agents.contain)
      await recordFor(db, agent, clock.now(), 'agent.containment', { kind: held.kind })
      session = drive({
        runtime,
        spec: specOf({ instructions, author }),
        program: programOf(config, runtime),
        contain: held.wrap,
        deathOf: held.deathOf,
        environment,
        writeFiles: (files, links) => writePlanned(place, files, links),
        readFile: (path) => readPlanned(place, path),
        log,
        emit: (event, noted) => inbox.put({ is: 'event', event, ...(noted ? { noted } : {}) }),
        reader: inbox,
      })
    },
    async stop() {
      session?.endInput()
      const left = await stopProcessesOf(agent.id, [], { polite: runtime.stopSignal })
      return left.map(({ pid }) => pid)
    },
  }
}
