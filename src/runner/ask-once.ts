import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { runtimeSection } from '../config/runtime-section.ts'
import type { Config } from '../config/schema.ts'
import type { AgentEvent, AgentRuntime, OneShot, Usage } from '../contract/runtime.ts'
import { OvError } from '../errors.ts'
import { oneLine, plainText } from '../mail/frame.ts'
import { JOB_MARKER, killJob, run } from '../os/process.ts'
import { type Containment, containment } from '../os/sandbox.ts'
import { removeAll } from '../os/scrub.ts'
import { agentEnvironmentOf } from '../runtimes/environment.ts'
import { programOf } from '../runtimes/programs.ts'
import { jsonIn } from './json-answer.ts'
import { redactorOf } from './redact.ts'
import { openServe } from './serve.ts'
import { openSession, programArgv, type Session, type SessionOptions } from './session.ts'
import { readPlanned, writePlanned } from './workplace.ts'

/*
 * Questions that a model is asked in passing: what to make of a silent agent, how a conflict is best resolved. A model
 * proposes; who asks decides, from a list of its own. Nothing follows from the asking itself: the CLI runs in an empty
 * folder that goes with it, without tools as far as it can, sees the environment that an agent sees, and whatever it has
 * started ends with it.
 */

/** One question. */
export interface Question {
  readonly runtime: AgentRuntime
  /** In the runtime's own vocabulary; absent: its default. */
  readonly model?: string
  readonly text: string
  /** After so long, in ms, it is given up. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface Answer {
  /** As it was said, secrets replaced by their names; control characters are in it still. */
  readonly text: string
  readonly tookMs: number
  /** What it used, by model, as far as the runtime tells; empty where it does not. */
  readonly usage: readonly Usage[]
}

/** What was said, and what it took. */
type Said = Pick<Answer, 'text' | 'usage'>

/** Long enough for a model that thinks, short enough for whoever waits. */
const PATIENCE_MS = 120_000
/** Longest answer, in characters. */
const LONGEST = 1024 * 1024

/**
 * Asks a runtime a question.
 *
 * @throws {OvError} `ask.impossible`, `ask.timeout`, `ask.failed`, `ask.too-long`, `ask.empty`, `interrupted`,
 *   `runtime.not-installed`
 */
export async function askOnce(config: Config, question: Question): Promise<Answer> {
  const { runtime, text, model, signal } = question
  const began = performance.now()
  const program = programOf(config, runtime)
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ov-ask-')))
  const job = randomUUID()
  const environment = { ...agentEnvironmentOf(config, runtime), [JOB_MARKER]: job }
  const held = await containment(config.agents.contain)
  const { args } = runtimeSection(config, runtime.id)
  const privateDir = join(folder, 'private')
  const empty = join(folder, 'empty')
  try {
    signal?.throwIfAborted()
    for (const path of [privateDir, empty]) mkdirSync(path)
    const wishes = { ...(model === undefined ? {} : { model }), extraArgs: args, privateDir, environment }
    const command = runtime.getPromptCommand(text, wishes)
    const place = { program, empty, privateDir, job, environment, held, extraArgs: args }
    const said = await (command === null ? bySession(question, place) : byCommand(question, command, place))
    const answer = redactorOf({ ...process.env, ...environment })(said.text).trim()
    if (answer === '') throw new OvError('failed', 'ask.empty', `${runtime.title} gave no answer.`)
    return { text: answer, tookMs: Math.round(performance.now() - began), usage: said.usage }
  } catch (error) {
    if (!signal?.aborted) throw error
    throw new OvError('interrupted', 'ask.interrupted', 'The question was given up.', { cause: error })
  } finally {
    await killJob(job)
    removeAll(folder)
  }
}

/** Where a question is asked. */
interface Place {
  readonly program: string | null
  /** Where it runs; gone afterwards, like the folder for its own files. */
  readonly empty: string
  readonly privateDir: string
  readonly job: string
  readonly environment: Readonly<Record<string, string>>
  readonly held: Containment
  readonly extraArgs: readonly string[]
}

async function byCommand(
  { runtime, timeoutMs = PATIENCE_MS, signal }: Question,
  command: OneShot,
  { program, empty, privateDir, job, environment, held }: Place,
): Promise<Said> {
  writePlanned({ privateDir }, command.files ?? [], command.links)
  const outcome = await run(held.wrap(programArgv({ runtime, program }, command.argv)), {
    cwd: empty,
    env: { ...environment, ...command.env },
    timeoutMs,
    maxOutput: LONGEST + 1,
    job,
    ...(command.stdin === undefined ? {} : { input: command.stdin }),
    ...(signal === undefined ? {} : { signal }),
  })
  signal?.throwIfAborted()
  if (outcome.timedOut) throw gaveUp(runtime, timeoutMs)
  const refused = command.refusal !== undefined && new RegExp(command.refusal).test(outcome.stdout.trim())
  if (!outcome.ok || refused) throw failed(runtime, outcome.output)
  if (outcome.stdout.length > LONGEST) throw tooLong(runtime)
  return command.reports ? reportedIn(outcome.stdout, runtime) : { text: outcome.stdout, usage: [] }
}

/** The answer in what a CLI reports; one that says it in plain words after all is taken at them. */
function reportedIn(stdout: string, runtime: AgentRuntime): Said {
  const events = stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .flatMap((line) => runtime.read(line))
  const failure = events.find((event) => event.type === 'failed')
  if (failure !== undefined) throw failed(runtime, failure.message)
  const end = events.findLast((event) => event.type === 'turn_end')
  return end?.text === undefined ? { text: stdout, usage: [] } : { text: end.text, usage: usedIn(events) }
}

/** One process is one question, so a total is all of it. */
function usedIn(events: readonly AgentEvent[]): Usage[] {
  return events.flatMap((event) => (event.type === 'usage' ? event.usage : []))
}

/** A CLI that has no command for questions is given one as the only turn of a session that may do nothing. */
async function bySession(
  { runtime, model, text, timeoutMs = PATIENCE_MS, signal }: Question,
  { program, empty, privateDir, environment, held, extraArgs }: Place,
): Promise<Said> {
  const { prompts, structured } = runtime.can
  if (!prompts || structured === false) {
    throw new OvError('user', 'ask.impossible', `${runtime.title} can't be asked a question in passing.`, {
      hint: 'Choose another runtime: ov runtime list',
    })
  }
  let emit: (event: AgentEvent) => void = () => undefined
  const options: SessionOptions = {
    runtime,
    program,
    spec: (prompt) => ({
      agent: 'question',
      sessionId: randomUUID(),
      worktree: empty,
      gitFolders: [],
      privateDir,
      ...(model === undefined ? {} : { model }),
      instructions: 'Answer the question. Use no tools and change nothing.\n',
      prompt,
      readOnly: true,
      tools: [],
      environment,
      root: process.getuid?.() === 0,
      extraArgs,
    }),
    contain: held.wrap,
    deathOf: held.deathOf,
    environment,
    writeFiles: (files, links) => writePlanned({ privateDir }, files, links),
    readFile: (path) => readPlanned({ privateDir }, path),
    log: { write: () => undefined, close: () => undefined },
    emit: (event) => emit(event),
    reader: { behind: () => false, caughtUp: (then) => then() },
  }
  const session = (structured === 'serve' ? openServe : openSession)(options)
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<Said>((resolve, reject) => {
      timer = setTimeout(() => reject(gaveUp(runtime, timeoutMs)), timeoutMs)
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      emit = answerFrom(session, runtime, resolve, reject)
      session.prompt(text)
    })
  } finally {
    clearTimeout(timer)
    session.endInput()
  }
}

/** Takes the events of the one turn: what is said is the answer, what it wants to do is refused. */
function answerFrom(
  session: Session,
  runtime: AgentRuntime,
  resolve: (said: Said) => void,
  reject: (error: unknown) => void,
): (event: AgentEvent) => void {
  let said = ''
  const usage: Usage[] = []
  return (event) => {
    switch (event.type) {
      case 'text':
        said += `${event.text}\n`
        if (said.length > LONGEST) reject(tooLong(runtime))
        return
      case 'ask':
        return session.answer(event.ask, { allow: false, reason: 'Only an answer is wanted.' })
      case 'usage':
        // What is told once more, as a total, takes the place of what was told before.
        if (event.scope === 'total') usage.length = 0
        usage.push(event.usage)
        return
      case 'turn_end':
        return resolve({ text: event.text ?? said, usage })
      case 'failed':
        return reject(failed(runtime, event.message))
      default:
        return
    }
  }
}

function gaveUp(runtime: AgentRuntime, timeoutMs: number): OvError {
  const message = `${runtime.title} gave no answer within ${timeoutMs / 1000} s.`
  return new OvError('timeout', 'ask.timeout', message)
}

function failed(runtime: AgentRuntime, output: string): OvError {
  const why = redactorOf(process.env)(plainText(output)).trim().split('\n').slice(-3).join('\n').slice(0, 1_000)
  return new OvError('failed', 'ask.failed', `${runtime.title} could not answer.${why === '' ? '' : `\n${why}`}`, {
    hint: `Is somebody logged in? ov runtime list ${runtime.id}`,
  })
}

function tooLong(runtime: AgentRuntime): OvError {
  return new OvError('failed', 'ask.too-long', `The answer of ${runtime.title} is longer than ${LONGEST >> 20} MiB.`)
}

export interface JsonAnswer<T> {
  readonly value: T
  readonly text: string
  readonly tookMs: number
  readonly usage: readonly Usage[]
  /** The first answer did not fit, the second did. */
  readonly repaired: boolean
}

/**
 * Asks for a value of a shape. An answer that has none in it is sent back once, with what is wrong.
 *
 * @param options.again false: one question is all
 * @throws {OvError} `ask.unfit` when no answer holds such a value, and what `askOnce` throws
 */
export async function askForJson<T>(
  config: Config,
  question: Question,
  schema: z.ZodType<T>,
  { again: mayAskAgain = true } = {},
): Promise<JsonAnswer<T>> {
  const shape = JSON.stringify(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))
  const wanted = `Answer with one JSON value and nothing else. It has to fit this JSON Schema:\n${shape}`
  const first = await askOnce(config, { ...question, text: `${question.text}\n\n${wanted}` })
  const found = valueIn(first.text, schema)
  if (found.fits) return { ...first, value: found.value, repaired: false }
  if (!mayAskAgain) throw unfit(question.runtime, found.why)
  const again = `${question.text}\n\nYou were asked this before and answered:\n<answer>\n${first.text.slice(0, SHOWN)}\n</answer>\nThat can't be used: ${found.why}\n\n${wanted}`
  const second = await askOnce(config, { ...question, text: again })
  const mended = valueIn(second.text, schema)
  const tookMs = first.tookMs + second.tookMs
  const usage = [...first.usage, ...second.usage]
  if (mended.fits) return { value: mended.value, text: second.text, tookMs, usage, repaired: true }
  throw unfit(question.runtime, `asked twice: ${mended.why}`)
}

function unfit({ title }: AgentRuntime, why: string): OvError {
  return new OvError('failed', 'ask.unfit', `${title} gave no answer of the wanted shape: ${why}`)
}

/** So much of an answer that can't be used is shown to who gave it, in characters. */
const SHOWN = 16 * 1024

type Fitting<T> = { readonly fits: true; readonly value: T } | { readonly fits: false; readonly why: string }

/** The first value in an answer that fits; where none does, what is wrong with the likeliest. */
function valueIn<T>(text: string, schema: z.ZodType<T>): Fitting<T> {
  const values = jsonIn(text)
  for (const value of values) {
    const checked = schema.safeParse(value)
    if (checked.success) return { fits: true, value: checked.data }
  }
  const issues = values.length === 0 ? [] : (schema.safeParse(values[0]).error?.issues ?? [])
  const [issue] = issues
  if (issue === undefined) return { fits: false, why: 'there is no JSON in it.' }
  const at = issue.path.length === 0 ? '' : `"${issue.path.join('.')}": `
  return { fits: false, why: oneLine(`${at}${issue.message}`, 300) }
}
