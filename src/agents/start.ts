import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentRuntime } from '../contract/runtime.ts'
import { type Db, write } from '../db/open.ts'
import { messageOf, OvError } from '../errors.ts'
import { assess } from '../load/look.ts'
import { admissionNow, loadSpecNow } from '../load/mode.ts'
import { ownIdentity, spawnDetached } from '../os/process.ts'
import { openSession } from '../os/tmux.ts'
import { runnerCommand } from '../os/tree.ts'
import { OV_MAIN } from '../place.ts'
import type { Project } from '../project.ts'
import { heldRuntimes } from '../runtimes/held-runtimes.ts'
import { type Lack, lackOf } from '../runtimes/lack.ts'
import { loadedRuntime } from '../runtimes/registry.ts'
import { logFolder } from '../state-dir.ts'
import { step } from '../steps.ts'
import { endAgent } from './finish.ts'
import { noteLeft } from './left.ts'
import { recordFor } from './record.ts'
import {
  type Agent,
  admittedQueued,
  type HeldRuntimes,
  isFenced,
  oldestQueued,
  queuedRuntimes,
  takeOver,
} from './store.ts'

/**
 * Starts queued agents, oldest first, while there is a place and the machine has enough left for one more. Whoever notices
 * a free place calls this; two at once are no harm. One whose runner cannot be started has failed, by itself: neither who
 * calls this nor the next of the queue has to do with it. Who needs a program or a login that this process has not got is
 * left to somebody who has it, and that is noted.
 *
 * @param asked a person asked for it here: any login of an agent's runtime will do
 * @returns why those could not be started that could not, by their ids
 */
export async function dispatchQueued(project: Project, { asked = false } = {}): Promise<ReadonlyMap<string, OvError>> {
  const refused = new Map<string, OvError>()
  if (project.misconfigured !== null) return refused
  // What the machine has left is looked at only for somebody who would start.
  if ((await oldestQueued(project.db, 'anybody')) === undefined) return refused
  const outlook = await lookBeforeStart(project, { asked })
  for (;;) {
    const agent = await write(project.db, (tx) => takeNext(tx, project, outlook))
    if (agent === null) break
    const why = await startRunner(project, agent)
    if (why !== null) refused.set(agent.id, why)
  }
  const { admits } = await admissionNow(project.db, project)
  for (const agent of await admittedQueued(project.db, admits, outlook.held)) {
    const lack = outlook.lack(agent)
    if (lack !== null) await noteLeft(project, agent, lack)
  }
  return refused
}

/** What is known before somebody is started. */
export interface Outlook {
  readonly held: HeldRuntimes
  /** What this process lacks to start an agent; null for nothing, and for one whose runtime it has not looked at. */
  lack(agent: Agent): Lack | null
  /** Whether it would start it. */
  able(agent: Agent): boolean
}

/**
 * Notes what the machine has left, and looks who can be started by this process.
 *
 * @param also the runtime of an agent that is not in the queue yet
 */
export async function lookBeforeStart(
  project: Project,
  { asked = false, also }: { asked?: boolean; also?: AgentRuntime } = {},
): Promise<Outlook> {
  await assess(project.db, project.clock, loadSpecNow(project))
  const runtimes = new Map<string, AgentRuntime | null>(also === undefined ? [] : [[also.id, also]])
  for (const id of await queuedRuntimes(project.db)) runtimes.set(id, await loadedRuntime(id))
  const lack = (agent: Agent) => {
    const runtime = runtimes.get(agent.runtime)
    return runtime == null ? null : lackOf(project, runtime, agent, { asked })
  }
  return {
    held: await heldRuntimes(project, runtimes.values()),
    lack,
    // One whose adapter can't be loaded is started all the same, and ends by saying so; who was slung since is the slinger's.
    able: (agent) => runtimes.has(agent.runtime) && lack(agent) === null,
  }
}

/**
 * Takes over the next of the queue, which its new owner has to start; null when nobody may start now.
 *
 * @param only none but this one: its id
 */
export async function takeNext(
  tx: Db,
  project: Project,
  { held, able }: Outlook,
  only?: string,
): Promise<Agent | null> {
  const next = await oldestQueued(tx, (await admissionNow(tx, project)).admits, held, able)
  if (!next || (only !== undefined && next.id !== only)) return null
  const now = project.clock.now()
  const taken = await takeOver(tx, next, ['queued'], ownIdentity(), 'starting', now)
  if (taken === null) return null
  await recordFor(tx, taken, now, 'agent.starting')
  return taken
}

/**
 * Starts the runner of an agent, for who wants just this one started.
 * @throws {OvError} `sling.no-runner`, `sling.no-screen`: it could not be started, and its agent has failed
 */
export async function launchRunner(project: Project, agent: Agent): Promise<void> {
  const refused = await startRunner(project, agent)
  if (refused !== null) throw refused
}

/**
 * Starts the runner of an agent: in a tmux session where there is tmux, else detached with a log file.
 * It takes the agent over by itself; until then the agent is `starting` and a dead start is put back in the queue.
 *
 * @returns null, or why it could not be started: then its agent has failed
 */
async function startRunner(project: Project, agent: Agent): Promise<OvError | null> {
  step('start.taken')
  try {
    await openRunner(project, agent)
  } catch (error) {
    const why = messageOf(error)
    await endStart(project, agent, `Its runner could not be started: ${why}`)
    if (error instanceof OvError) return error
    const message = `The runner of ${agent.name} could not be started: ${why}.`
    return new OvError('failed', 'sling.no-runner', message, { hint: 'ov doctor', cause: error })
  }
  step('start.launched')
  return null
}

async function endStart(project: Project, agent: Agent, reason: string): Promise<void> {
  try {
    await endAgent(project, agent, { name: 'failed', reason })
  } catch (error) {
    // Somebody stopped it meanwhile.
    if (!isFenced(error)) throw error
  }
}

async function openRunner(project: Project, agent: Agent): Promise<void> {
  const argv = runnerCommand(OV_MAIN, agent.id, agent.fence)
  const env = runnerEnvironment()
  const folder = logFolder(project, agent)
  mkdirSync(folder, { recursive: true })
  if (project.tmux !== null) {
    const refused = await openSession(project.tmux, agent.name, argv, { cwd: project.configRoot, env })
    if (refused === null) return
    if (agent.mode === 'interactive') throw noScreen(refused)
    await recordFor(project.db, agent, project.clock.now(), 'runner.no-tmux', { why: refused })
  }
  if (agent.mode === 'interactive') throw noScreen('tmux is not installed')
  const log = openSync(join(folder, 'runner.log'), 'a')
  spawnDetached(argv, { cwd: project.configRoot, env, logFd: log })
  closeSync(log)
}

/** An agent that was promised a screen is not started without one. */
function noScreen(why: string): OvError {
  return new OvError('failed', 'sling.no-screen', `It needs a screen in tmux, and gets none: ${why || 'no answer'}.`, {
    hint: 'Sling it with --no-interactive, or find out what is wrong with tmux: ov doctor',
  })
}

/**
 * What a runner inherits: the human's environment less what an outer agent, its Node options or `ov` put there. The agent
 * itself gets far less, by an allow-list.
 */
function runnerEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !isOuter(entry[0], entry[1]),
    ),
  )
}

/** Node options are the human's to give, to gates too; but none by which an outer program gets into our processes. */
function isOuter(name: string, value: string): boolean {
  if (name === 'NODE_OPTIONS')
    return /(^|\s)(-r|--(require|import|loader|experimental-loader|inspect\S*))([\s=]|$)/.test(value)
  return INHERITED.test(name)
}

/** What tells programs that they run inside `ov`, tmux or some other agent CLI, and what changes how Node itself runs. */
const INHERITED = new RegExp(
  `^(${[
    'OV_(BROKER|AGENT|AGENT_ID|TASK|TASK_FILE|FEEDBACK)',
    'TMUX|TMUX_PANE',
    'NODE_(CHANNEL_.*|V8_COVERAGE|INSPECT_RESUME_ON_START|UNIQUE_ID)',
    'CLAUDECODE|CLAUDE_PID|CLAUDE_EFFORT|CLAUDE_CODE_(CHILD_.*|SESSION_.*|MESSAGING_.*|ENTRYPOINT|EXECPATH|SSE_PORT)',
    'AGENT|AI_AGENT|GEMINI_CLI(_.*)?|CURSOR_(AGENT|TRACE_ID)|CODEX_(SANDBOX.*|THREAD_ID|MANAGED_.*)',
    'COPILOT_(CLI|AGENT_.*|RUN_APP)|GOOSE_TERMINAL|AGENT_SESSION_ID|OPENCODE|OPENCODE_(PID|RUN_ID|PROCESS_ROLE)|AMP_(CURRENT_THREAD_ID|THREAD_ID)|PI_CODING_AGENT',
  ].join('|')})$`,
)
