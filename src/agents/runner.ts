import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { serveBroker } from '../broker/server.ts'
import type { AgentEvent, LaunchPlan, SessionSpec, Usage } from '../contract/runtime.ts'
import { type EndState, isFinal } from '../contract/states.ts'
import { write } from '../db/open.ts'
import { messageOf } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { frameMail, oneLine } from '../mail/frame.ts'
import { nameOf, reportsTo } from '../mail/send.ts'
import { confirmMail, type Mail, offerMail, withdrawOffers } from '../mail/store.ts'
import { driveTrain, trailers } from '../merge/train.ts'
import { OFFER_LEASE_MS, perform } from '../operations.ts'
import { watchDatabase, writeWhole } from '../os/files.ts'
import { commitAll, commitsBetween, gitAt, removeWorktree, uncommitted } from '../os/git.ts'
import { AGENT_MARKER, ownIdentity, stopProcessesOf } from '../os/process.ts'
import { canonicalBranch, type Project } from '../project.ts'
import { recordUsage } from '../spend/store.ts'
import { countAttempt, getTask, setTaskState, type Task } from '../tasks/store.ts'
import { reconcile } from '../watchdog/reconcile.ts'
import { keepCommits } from '../worktrees/keep.ts'
import { prepareWorktree, setUpWorktree, worktreePath } from '../worktrees/prepare.ts'
import { claimDone } from './claim.ts'
import { agentEnvironment } from './environment.ts'
import { endAgent } from './finish.ts'
import { guardVerdict } from './guard.ts'
import { instructionsFor } from './instructions.ts'
import { roleOf } from './manifest.ts'
import { openRawLog } from './raw-log.ts'
import { redactorOf } from './redact.ts'
import { loadRuntime } from './registry.ts'
import { programOf } from './routing.ts'
import { afterTurn } from './rules.ts'
import { openSession } from './session.ts'
import { agentLogDir, dispatchQueued, OV_MAIN } from './start.ts'
import { type Agent, getAgent, isFenced, isOpen, openChildren, setAgentState, takeOver, updateAgent } from './store.ts'

const TICK_MS = 1_000
/** Every so many ticks a runner looks after the rest of the fleet too. */
const RECONCILE_TICKS = 5
/** No sign of life from a runtime for this long after its first prompt: it hangs at its start. */
const START_DEADLINE_MS = 120_000

/**
 * Owns one agent from its start to its end. Everything that happens to it comes through one inbox, one thing at a
 * time. Losing ownership (a higher fence) ends this runner without another write.
 */
export async function runAgent(project: Project, agentId: string, fence: number): Promise<void> {
  const agent = await write(project.db, async (tx) => {
    const row = await getAgent(tx, agentId)
    if (!row || row.fence !== fence) return null
    return takeOver(tx, row, ['starting'], ownIdentity(), 'starting', project.clock.now())
  })
  if (agent === null) return
  try {
    await live(project, agent)
  } catch (error) {
    if (isFenced(error)) return
    await stopProcessesOf(agent.id, [])
    await endAgent(project, agent, { name: 'failed', reason: `Its runner met an error: ${messageOf(error)}` }).catch(
      (second: unknown) => {
        if (!isFenced(second)) throw second
      },
    )
    throw error
  } finally {
    await dispatchQueued(project)
  }
}

async function live(project: Project, agent: Agent): Promise<void> {
  const task = await getTask(project.db, agent.task_id)
  if (!task) throw new Error(`agent ${agent.id} has no task`)
  const runtime = await loadRuntime(agent.runtime)
  const section = project.config.runtime[agent.runtime] as { args: string[]; env: string[] } | undefined
  const privateDir = join(project.stateDir, 'agents', agent.id)
  const worktree = worktreePath(project, agent.worktree)
  const redact = redactorOf(process.env)
  const brokerPath = join(project.socketDir, `${randomBytes(9).toString('base64url')}.sock`)
  const inbox = new Inbox()

  mkdirSync(join(privateDir, 'bin'), { recursive: true })
  writeWhole(
    join(privateDir, 'bin', 'ov'),
    `#!/bin/sh\nexec '${shellQuoted(process.execPath)}' '${shellQuoted(OV_MAIN)}' "$@"\n`,
    0o755,
  )
  const environment = {
    ...agentEnvironment(process.env, runtime, section?.env ?? []),
    PATH: `${join(privateDir, 'bin')}:${process.env.PATH ?? ''}`,
    OV_BROKER: brokerPath,
    OV_AGENT: agent.name,
    [AGENT_MARKER]: agent.id,
  }

  const log = openRawLog(agentLogDir(project, agent), redact, (error) =>
    inbox.put({ is: 'log-broken', why: error.message }),
  )
  const broker = await serveBroker(brokerPath, (op, input, gone) => serve(project, agent, inbox, op, input, gone))
  const unwatch = watchDatabase(project.databasePath, () => inbox.put({ is: 'wake' }))
  const ticker = setInterval(() => inbox.put({ is: 'tick' }), TICK_MS)
  const onSignal = () => inbox.put({ is: 'signal' })
  process.on('SIGTERM', onSignal)
  process.on('SIGHUP', onSignal)
  let train: Promise<unknown> = Promise.resolve()
  try {
    const base = await prepareWorktree(project, worktree, agent.branch, task.base_ref ?? (await startingPoint(project)))
    const own = { ...agent, base_sha: base }
    await write(project.db, async (tx) => {
      await updateAgent(tx, agent, { base_sha: base })
      await setTaskState(tx, task.id, 'running', project.clock.now())
      await countAttempt(tx, task.id, project.clock.now())
    })
    const broken = await setUpWorktree(project, worktree, environment)
    if (broken !== null)
      return await finish(project, own, privateDir, worktree, { name: 'failed', reason: redact(broken) })
    const parentName = await nameOf(project.db, await reportsTo(project.db, agent))
    const instructions = instructionsFor(project, agent, task, parentName)
    const sessionId = crypto.randomUUID()

    let session: string | undefined
    let offered: Mail[] = []
    let turns = 0
    let alive = false
    let promptedAt = project.clock.monotonic()
    let lastUsage: Usage | null = null
    let ticks = 0
    const feedbackFile = join(privateDir, 'feedback.md')

    const spec = (prompt: string): SessionSpec => ({
      agent: agent.name,
      sessionId,
      ...(session === undefined ? {} : { resume: session }),
      worktree,
      privateDir,
      ...(agent.model === null ? {} : { model: agent.model }),
      instructions,
      prompt,
      ...(task.command === null ? {} : { command: task.command }),
      readOnly: roleOf(agent.capability).readOnly,
      root: process.getuid?.() === 0,
      extraArgs: section?.args ?? [],
      ...(turns > 1 ? { feedbackFile } : {}),
    })
    const cli = openSession({
      runtime,
      spec,
      program: programOf(project.config, runtime),
      environment,
      writeFiles: (plan) => writePlanned(privateDir, plan),
      log,
      emit: (event) => inbox.put({ is: 'event', event }),
    })

    const note = (type: string, data: Record<string, unknown> = {}) =>
      recordEvent(project.db, {
        at: project.clock.now(),
        type,
        runId: agent.run_id,
        agentId: agent.id,
        taskId: task.id,
        data,
      })

    const beginTurn = async (prompt: string, mails: Mail[]) => {
      offered = mails
      turns += 1
      promptedAt = project.clock.monotonic()
      await write(project.db, (tx) => setAgentState(tx, agent, { name: 'working' }, project.clock.now()))
      cli.prompt(prompt)
      // A runtime that cannot tell when it took its prompt has it as soon as it runs: at least once, with visible ids.
      if (!runtime.can.prompts) await settleOffer()
    }

    const settleOffer = async () => {
      if (offered.length === 0) return
      const ids = offered.map((mail) => mail.id)
      offered = []
      await write(project.db, async (tx) => {
        await confirmMail(tx, agent.id, ids, project.clock.now())
        await recordEvent(tx, {
          at: project.clock.now(),
          type: 'mail.delivered',
          runId: agent.run_id,
          agentId: agent.id,
          data: { mail: ids },
        })
      })
    }

    /** Between turns: hand over mail, else do what the rules say. Gives the final state when the agent is at its end. */
    const decide = async (endedTurn: boolean): Promise<EndState | null> => {
      const now = await getTask(project.db, task.id)
      if (!now || isFinal(now.state)) return finalState(now)
      const mails = await write(project.db, (tx) => offerMail(tx, agent.id, project.clock.now(), OFFER_LEASE_MS))
      const wakes = runtime.can.prompts
        ? mails
        : mails.filter((mail) => mail.type === 'merge_failed' || mail.type === 'dispatch')
      if (wakes.length < mails.length) {
        const rest = mails.filter((mail) => !wakes.includes(mail)).map((mail) => mail.id)
        if (wakes.length > 0) await write(project.db, (tx) => withdrawOffers(tx, agent.id, rest))
      }
      if (wakes.length > 0) {
        const framed = frameMail(
          await Promise.all(
            wakes
              .filter((mail) => mail.type !== 'dispatch')
              .map(async (mail) => ({ mail, from: await nameOf(project.db, mail.sender) })),
          ),
        )
        const dispatch = wakes.find((mail) => mail.type === 'dispatch')
        if (!runtime.can.prompts && !dispatch)
          writeWhole(feedbackFile, wakes.map((mail) => `# ${mail.subject}\n\n${mail.body}\n`).join('\n'))
        const prompt = [dispatch?.body, wakes.length > (dispatch ? 1 : 0) ? framed : undefined]
          .filter((part) => part !== undefined)
          .join('\n\n')
        await beginTurn(prompt, wakes)
        return null
      }
      const me = await getAgent(project.db, agent.id)
      if (!me) throw new Error(`agent ${agent.id} has no row`)
      const next = afterTurn({
        taskFinal: false,
        claimedDone: me.claimed_done === 1,
        openChildren: (await openChildren(project.db, agent.id)).length,
        openQuestionTo: await openQuestion(project, agent.id),
        reminded: me.reminded === 1,
        speaks: runtime.can.reports === 'mail',
      })
      switch (next.do) {
        case 'finish':
          return { name: 'done' }
        case 'wait':
          if (me.state !== 'waiting' || me.waiting_on !== next.on)
            await write(project.db, (tx) =>
              setAgentState(tx, agent, { name: 'waiting', on: next.on }, project.clock.now()),
            )
          return null
        case 'remind':
          if (!endedTurn) return null
          await write(project.db, (tx) => updateAgent(tx, agent, { reminded: 1 }))
          await note('agent.reminded')
          await beginTurn(REMINDER, [])
          return null
        case 'fail':
          return endedTurn ? { name: 'failed', reason: next.reason } : null
      }
    }

    const onEvent = async (event: AgentEvent): Promise<EndState | null> => {
      alive = true
      switch (event.type) {
        case 'started':
          if (event.session !== undefined && event.session !== session) {
            session = event.session
            await write(project.db, (tx) => updateAgent(tx, agent, { session: event.session ?? null }))
          }
          await note('runtime.started', { model: event.model ?? null, version: event.version ?? null })
          return null
        case 'turn_start':
          if (!runtime.can.echo) await settleOffer()
          return null
        case 'accepted':
          if (offered.some((mail) => mail.type === 'dispatch' || event.text.includes(mail.id))) await settleOffer()
          return null
        case 'tool_start':
          await note('tool.start', { tool: event.tool, summary: redact(oneLine(event.summary, 300)) })
          return null
        case 'tool_end':
          await note('tool.end', { ok: event.ok, summary: redact(oneLine(event.summary, 300)) })
          return null
        case 'usage': {
          const turn = event.scope === 'turn' ? event.usage : difference(event.usage, lastUsage)
          const cost =
            event.costScope === 'turn' ? event.usage.costUsd : subtract(event.usage.costUsd, lastUsage?.costUsd ?? null)
          lastUsage = event.usage
          await recordUsage(project.db, agent.id, { ...turn, costUsd: cost }, project.clock.now())
          return null
        }
        case 'rate_limited':
        case 'retrying':
          await note(`runtime.${event.type}`, { ...event })
          return null
        case 'ask':
          cli.answer(event.ask, guardVerdict(event.ask, { worktree, readOnly: roleOf(agent.capability).readOnly }))
          return null
        case 'turn_end':
          await settleOffer()
          await keepCommits(project, agent.id, worktree, base)
          if (event.claim === 'done') return claimByExit()
          return decide(true)
        case 'failed':
          await note('runtime.failed', { cause: event.cause, message: redact(event.message.slice(0, 2000)) })
          return { name: 'failed', reason: redact(event.message) }
        case 'text':
        case 'waiting':
        case 'unknown':
          return null
      }
    }

    /** For runtimes whose good end is their word: what they left uncommitted is committed with the task as its message. */
    const claimByExit = async () => {
      const git = gitAt(worktree)
      const message = `${oneLine(task.title, 72)}\n\n${trailers({ task: task.id, agent: agent.name, runtime: runtime.id })}\n`
      if ((await uncommitted(git)).length > 0) await commitAll(git, message)
      const head = (await git.raw('rev-parse', 'HEAD')).trim()
      const current = await getTask(project.db, task.id)
      if (current && !isFinal(current.state) && (await getAgent(project.db, agent.id))?.claimed_done !== 1) {
        await claimDone(project, own, { summary: task.title, noChanges: (await commitsBetween(git, base, head)) === 0 })
        inbox.put({ is: 'wake' })
      }
      return decide(true)
    }

    let outcome: EndState | null = await decide(false)
    while (outcome === null) {
      const item = await inbox.next()
      switch (item.is) {
        case 'event':
          outcome = await onEvent(item.event)
          break
        case 'wake':
          if (!cli.busy) outcome = await decide(false)
          break
        case 'done-claimed':
          train = train
            .then(() => driveTrain(project))
            .catch((error: unknown) => note('merge.trouble', { why: messageOf(error) }))
          break
        case 'tick': {
          ticks += 1
          await keepCommits(project, agent.id, worktree, base)
          const me = await getAgent(project.db, agent.id)
          if (!me || me.fence !== agent.fence || !isOpen(me)) return
          if (cli.busy && !alive && runtime.can.prompts && project.clock.monotonic() - promptedAt > START_DEADLINE_MS) {
            outcome = {
              name: 'failed',
              reason: `${runtime.title} gave no sign of life within ${START_DEADLINE_MS / 1000} s of its start.`,
            }
            break
          }
          if (!cli.busy) outcome = await decide(false)
          if (me.waiting_on === 'merge' && project.config.merge.auto) inbox.put({ is: 'done-claimed' })
          if (ticks % RECONCILE_TICKS === 0) await reconcile(project)
          break
        }
        case 'signal':
          outcome = { name: 'stopped', reason: 'Its runner was told to stop.' }
          break
        case 'log-broken':
          await note('log.broken', { why: item.why })
          break
      }
      if (project.config.merge.auto && (await getAgent(project.db, agent.id))?.claimed_done === 1 && item.is === 'wake')
        inbox.put({ is: 'done-claimed' })
    }
    cli.endInput()
    await finish(project, own, privateDir, worktree, outcome)
    await train
  } finally {
    clearInterval(ticker)
    unwatch()
    process.off('SIGTERM', onSignal)
    process.off('SIGHUP', onSignal)
    await broker.close()
    await log.close()
  }
}

const REMINDER = [
  'Your turn ended, but you have not said how your task stands. Do one of these now:',
  '- it is done and committed: ov done --summary "what you did"',
  '- you need an answer first: ov ask "your question" --wait',
  '- it cannot be done: ov fail --reason "why"',
].join('\n')

/** Everything an agent asks of `ov` comes by here; who asks is fixed. */
async function serve(
  project: Project,
  agent: Agent,
  inbox: Inbox,
  op: string,
  input: unknown,
  gone: AbortSignal,
): Promise<unknown> {
  const current = await getAgent(project.db, agent.id)
  const result = await perform(project, { kind: 'agent', agent: current ?? agent }, op, input, gone)
  if (op === 'done' || op === 'fail') inbox.put({ is: 'wake' })
  return result
}

async function finish(
  project: Project,
  agent: Agent,
  privateDir: string,
  worktree: string,
  state: EndState,
): Promise<void> {
  const runtime = await loadRuntime(agent.runtime)
  const survivors = await stopProcessesOf(agent.id, [], { polite: runtime.stopSignal })
  await keepCommits(project, agent.id, worktree, agent.base_sha)
  if (survivors.length > 0) {
    await recordEvent(project.db, {
      at: project.clock.now(),
      type: 'agent.survivors',
      runId: agent.run_id,
      agentId: agent.id,
      data: { pids: survivors.map((who) => who.pid) },
    })
  }
  await endAgent(project, agent, state)
  if (state.name === 'done') {
    // Proved merged or empty, and clean: only then does the folder go. Git itself refuses a dirty one.
    if ((await uncommitted(gitAt(worktree))).length === 0) await removeWorktree(project.git, worktree)
    rmSync(privateDir, { recursive: true, force: true })
  }
}

function finalState(task: Task | undefined): EndState {
  if (task?.state === 'failed' || task?.state === 'stopped') return { name: task.state, reason: task.reason ?? '' }
  return { name: 'done' }
}

async function startingPoint(project: Project): Promise<string> {
  const { trackOf, trainTip } = await import('../merge/track.ts')
  const track = await trackOf(project)
  const tip = await trainTip(project, track)
  return tip.blocked === undefined ? tip.sha : await canonicalBranch(project)
}

/** The newest question of an agent that nobody has answered. */
async function openQuestion(project: Project, agentId: string): Promise<'human' | 'agent' | null> {
  const question = await project.db
    .selectFrom('mail as q')
    .select(['q.reader'])
    .where('q.sender', '=', agentId)
    .where('q.type', '=', 'question')
    .where('q.bounced_at', 'is', null)
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('mail as a')
            .select('a.id')
            .whereRef('a.thread_id', '=', 'q.thread_id')
            .whereRef('a.sender', '=', 'q.reader'),
        ),
      ),
    )
    .executeTakeFirst()
  if (!question) return null
  return question.reader === 'human' ? 'human' : 'agent'
}

function writePlanned(privateDir: string, plan: LaunchPlan): void {
  for (const file of plan.files) {
    const path = join(privateDir, file.path)
    mkdirSync(dirname(path), { recursive: true })
    writeWhole(path, file.content, file.executable ? 0o700 : 0o600)
  }
}

function shellQuoted(text: string): string {
  return text.replaceAll("'", "'\\''")
}

function subtract(total: number | null, before: number | null): number | null {
  return total === null ? null : Math.max(0, total - (before ?? 0))
}

function difference(total: Usage, before: Usage | null): Usage {
  return {
    ...total,
    input: subtract(total.input, before?.input ?? null),
    output: subtract(total.output, before?.output ?? null),
    cacheRead: subtract(total.cacheRead, before?.cacheRead ?? null),
    cacheWrite: subtract(total.cacheWrite, before?.cacheWrite ?? null),
  }
}

type Item =
  | { readonly is: 'event'; readonly event: AgentEvent }
  | { readonly is: 'wake' }
  | { readonly is: 'tick' }
  | { readonly is: 'signal' }
  | { readonly is: 'done-claimed' }
  | { readonly is: 'log-broken'; readonly why: string }

/** What happened, in order, one at a time. Wake-ups and ticks that wait already are not put in twice. */
class Inbox {
  readonly #items: Item[] = []
  #waiting: ((item: Item) => void) | null = null

  put(item: Item): void {
    if (this.#waiting) {
      const hand = this.#waiting
      this.#waiting = null
      hand(item)
      return
    }
    if (
      (item.is === 'wake' || item.is === 'tick' || item.is === 'done-claimed') &&
      this.#items.some((one) => one.is === item.is)
    )
      return
    this.#items.push(item)
  }

  next(): Promise<Item> {
    const item = this.#items.shift()
    if (item) return Promise.resolve(item)
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }
}
