import { join } from 'node:path'
import * as z from 'zod'
import type { FailureCause } from '../contract/runtime.ts'
import { TASK_STATES } from '../contract/states.ts'
import { messageOf } from '../errors.ts'
import type { Outcome } from '../os/process.ts'
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
  const ended = stage.ov([...words, ...model, ...mode, '--task', task, '--wait', '--json'], request.env).then(endingIn)
  let early: string | null = null
  ended.then(
    (ending) => {
      early = sayEnding(ending)
    },
    (error: unknown) => {
      early = messageOf(error)
    },
  )

  const job: Job = {
    agent,
    asked: () => llm.asked(agent),
    seen: () => wholeOf(llm.asked(agent).at(-1)),
    ended,
    async reaches(step) {
      let reached = false
      void step.reached.then(() => {
        reached = true
      })
      await job.during('The next request to its model', () => (reached ? true : null))
    },
    during: (what, look) =>
      until(what, async () => {
        const over = early
        const found = await look()
        if (found !== null) return found
        if (over !== null) throw new Unproved(`${what}: it ended before. ${over}`)
        return null
      }),
    facts: async () => factsSchema.parse(await json('inspect', agent)).agent,
    async events() {
      try {
        return eventsSchema.parse(await json('logs', agent, '--events')).entries
      } catch (error) {
        // As long as it is not slung there is nobody to ask after.
        if (error instanceof Unproved) return []
        throw error
      }
    },
    privateFolder: async () => join(stage.repo, '.overstory', 'agents', (await job.facts()).id),
    failure: () =>
      job.during('A failure that is told', async () => {
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

/** What `ov sling --wait --json` says of the end. */
export function endingIn(slung: Outcome): Ending {
  return endingSchema.parse(documentIn(['sling'], slung))
}

/** A request as text: instructions, prompts, and what tools put out. */
export function wholeOf(ask: Ask | undefined): string {
  if (ask === undefined) return ''
  const said = ask.messages.flatMap(({ text, toolResults }) => [text, ...toolResults.map((result) => result.text)])
  return [ask.system, ...said].join('\n')
}
