import * as z from 'zod'
import { messageOf, OvError } from '../errors.ts'
import { readText } from '../os/files.ts'
import { askForJson, askOnce } from '../runner/ask-once.ts'
import { loadRuntime } from '../runtimes/registry.ts'
import { modelOf } from '../runtimes/routing.ts'
import { requireLogin } from './login.ts'
import { settingsAround } from './settings.ts'

export interface AskRequest {
  readonly runtime: string
  readonly text: string
  readonly model?: string
  /** File with the JSON Schema that the answer has to fit. */
  readonly schemaFile?: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** The document of `ov runtime ask --json`. */
export interface Answered {
  readonly runtime: string
  /** Null: the runtime's default. */
  readonly model: string | null
  /** As it was said. */
  readonly answer: string
  /** The JSON value in it, where a shape was wanted; else null. */
  readonly value: unknown
  /** The first answer did not fit, the second did. */
  readonly repaired: boolean
  readonly tookMs: number
}

/**
 * A person's question to a runtime, by the configuration around `cwd`.
 *
 * @throws {OvError} `ask.nothing`, `ask.schema`, `runtime.no-login`, `model.foreign`, and what `askOnce`, `askForJson` and
 *   `loadRuntime` throw
 */
export async function askRuntime(cwd: string, request: AskRequest): Promise<Answered> {
  const { config } = await settingsAround(cwd)
  const runtime = await loadRuntime(request.runtime)
  const { text, timeoutMs, signal, schemaFile } = request
  if (text.trim() === '') {
    throw new OvError('user', 'ask.nothing', 'What do you want to know?', { hint: `ov runtime ask ${runtime.id} "…"` })
  }
  const schema = schemaFile === undefined ? null : schemaIn(schemaFile)
  requireLogin(config, runtime, `ov runtime ask ${runtime.id} "…"`)
  const model = request.model === undefined ? null : await modelOf(config, runtime, request.model)
  const question = { runtime, text, timeoutMs, signal, ...(model === null ? {} : { model }) }
  if (schema === null) {
    const { text: answer, tookMs } = await askOnce(config, question)
    return { runtime: runtime.id, model, answer, value: null, repaired: false, tookMs }
  }
  const { text: answer, value, repaired, tookMs } = await askForJson(config, question, schema)
  return { runtime: runtime.id, model, answer, value, repaired, tookMs }
}

function schemaIn(file: string): z.ZodType {
  const text = readText(file)
  try {
    if (text === null) throw new Error('there is no such file')
    return z.fromJSONSchema(JSON.parse(text))
  } catch (error) {
    throw new OvError('user', 'ask.schema', `${file} is no JSON Schema that can be used: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
