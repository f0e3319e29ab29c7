import { join } from 'node:path'
import * as z from 'zod'
import type { FailureCause } from '../contract/runtime.ts'
import { TASK_STATES } from '../contract/states.ts'
import { documentIn } from './ground.ts'
import type { Ask, Step } from './llm/script.ts'
import type { Ending, Job, Request, Stage } from './stage.ts'
import { Unproved } from './unproved.ts'

const endingSchema = z.object({
  state: z.enum(TASK_STATES),
  attempts: z.number(),
  mergedAs: z.string().nullable(),
  reason: z.string().nullable(),
})

const refusedSchema = z.object({ error: z.object({ message: z.string() }) })

const count = z.number().nullable()
const factsSchema = z.object({
  agent: z.object({
    id: z.string(),
    state: z.string(),
    waitingOn: z.string().nullable(),
    waitingUntil: z.number().nullable(),
    usage: z.object({ input: count, output: count, costUsd: count }),
  }),
})

const eventSchema = z.object({ at: z.number(), type: z.string(), data: z.record(z.string(), z.unknown()) })
const eventsSchema = z.object({ entries: z.array(eventSchema) })
const failedSchema = z.object({ cause: z.string(), message: z.string() })

/** Slings an agent whose model plays these steps. */
export function startJob(stage: Stage, steps: readonly Step[], request: Request): Job {
  const { llm, setting, candidate, json, until } = stage
  const { task = 'Do what the script says.', capability = 'builder', interactive = false } = request
  const agent = `${capability}-1`
  const isMine = `You are \`${agent}\``
  llm.play(agent, (ask) => wholeOf(ask).includes(isMine), steps)
  const began = Date.now()
  const words = ['sling', '--runtime', candidate.runtime.id, '--capability', capability, '--name', agent]
  const model = setting.model === undefined ? [] : ['--model', setting.model]
  const mode = interactive ? ['--interactive'] : ['--no-interactive']
  const ended = stage
    .ov([...words, ...model, ...mode, '--task', task, '--wait', '--json'], request.env)
    .then((slung) => endingIn(documentIn(['sling'], slung)))
  // Whoever asks for it hears of it.
  ended.catch(() => undefined)

  const job: Job = {
    agent,
    asked: () => llm.asked(agent),
    seen: () => wholeOf(llm.asked(agent).at(-1)),
    ended,
    async reaches(step) {
      let reached = false
      let early: Ending | null = null
      void step.reached.then(() => {
        reached = true
      })
      ended.then(
        (ending) => {
          early = ending
        },
        // Told by `ended` itself.
        () => undefined,
      )
      await until('The next request to the model', () => {
        if (reached) return true
        if (early !== null) throw new Unproved(`The agent ended before its next step: ${sayEnding(early)}`)
        return null
      })
    },
    facts: async () => factsSchema.parse(await json('inspect', agent)).agent,
    async events() {
      const told = eventsSchema.safeParse(await json('logs', agent, '--events'))
      // As long as it is not slung there is nobody to ask after.
      return told.success ? told.data.entries : []
    },
    privateFolder: async () => join(stage.repo, '.overstory', 'agents', (await job.facts()).id),
    failure: () =>
      until('A failure that is told', async () => {
        const failed = (await job.events()).find(({ type }) => type === 'runtime.failed')
        if (failed === undefined) return null
        const { cause, message } = failedSchema.parse(failed.data)
        return { cause: cause as FailureCause, message, afterMs: failed.at - began }
      }),
  }
  return job
}

/** What became of a task, in words. */
export function sayEnding({ state, reason }: Ending): string {
  return reason === null ? state : `${state}: ${reason}`
}

/** What `ov sling --wait --json` says of the end. @throws {Unproved} when nothing was slung */
export function endingIn(document: unknown): Ending {
  const refused = refusedSchema.safeParse(document)
  if (refused.success) throw new Unproved(`ov sling: ${refused.data.error.message}`)
  return endingSchema.parse(document)
}

/** A request as text: instructions, prompts, and what tools put out. */
export function wholeOf(ask: Ask | undefined): string {
  if (ask === undefined) return ''
  const said = ask.messages.flatMap(({ text, toolResults }) => [text, ...toolResults.map((result) => result.text)])
  return [ask.system, ...said].join('\n')
}
