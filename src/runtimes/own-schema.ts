import * as z from 'zod'
import * as jsonHooks from '../contract/json-hooks.ts'
import * as reading from '../contract/reading.ts'
import type { AgentRuntime, Can, LoginEvidence } from '../contract/runtime.ts'
import { nearest } from '../nearest.ts'

/*
 * The contract as a schema, for adapters that no compiler has checked. Each member of the interfaces has to be here, or
 * this does not compile.
 */

const names = z.array(z.string().min(1))
const story = z.custom<unknown>((value) => typeof value === 'function', 'must be a function')
const pattern = z.custom<RegExp>((value) => value instanceof RegExp, 'must be a regular expression')
const facts = z.custom<object>((value) => typeof value === 'object' && value !== null, 'must be an object')

const login = z.strictObject({ env: names, files: names, hint: z.string().min(1) } satisfies Record<
  keyof LoginEvidence,
  z.ZodType
>)

const can = z.strictObject({
  structured: z.union([z.literal(false), z.enum(['duplex', 'turn', 'serve'])]),
  interactive: z.boolean(),
  resume: z.boolean(),
  steer: z.boolean(),
  block: z.boolean(),
  confines: z.boolean().optional(),
  inject: z.boolean(),
  usage: z.boolean(),
  cost: z.boolean(),
  reports: z.enum(['mail', 'exit']),
  prompts: z.boolean(),
  echo: z.boolean(),
} satisfies Record<keyof Can, z.ZodType>)

const adapter = z.strictObject({
  id: z.string(),
  title: z.string().min(1),
  binaries: z.array(z.string().regex(/^[A-Za-z0-9][\w.-]*$/, 'must be the name of a program')),
  behind: z.record(z.string(), names).optional(),
  versionArgs: names,
  saysVersion: pattern.optional(),
  certified: names,
  install: z.string().min(1),
  login,
  can,
  environment: z.array(z.string().regex(/^[A-Za-z_]\w*\*?$/, 'must be the name of a variable')),
  models: z.record(z.string(), z.string()),
  ownModels: pattern.optional(),
  gateway: z.strictObject({ baseUrl: z.string(), key: z.string() }).optional(),
  start: story,
  sendInput: story,
  deployHooks: story,
  getPromptCommand: story,
  read: story,
  stream: facts.optional(),
  exited: story,
  answer: story,
  readHook: story.optional(),
  answerHook: story.optional(),
  saysNothing: story.optional(),
  hooksBeside: z.literal(true).optional(),
  interrupt: story,
  stopSignal: z.enum(['SIGTERM', 'SIGINT']),
  transcript: facts.optional(),
  trial: facts.optional(),
  acp: facts.optional(),
  screen: story,
} satisfies Record<keyof AgentRuntime, z.ZodType>)

/** What a module that exports a function gets: it can import nothing, and this is what adapters share. */
const TOOLS = { z, ...reading, ...jsonHooks }

/**
 * The adapter that a module exports as its default, or makes when it is called.
 * @throws {Error} with everything that is missing or wrong
 */
export function adapterIn(module: unknown, id: string): AgentRuntime {
  const exported = z.looseObject({ default: z.unknown() }).safeParse(module).data?.default
  if (exported === undefined) throw new Error('it has no default export')
  const made: unknown = typeof exported === 'function' ? exported(TOOLS) : exported
  const checked = adapter.safeParse(made)
  const wrong = checked.success ? [] : checked.error.issues.flatMap(sayIssue)
  if (checked.success && checked.data.id !== id) wrong.push(`id must be "${id}", as its file is called`)
  if (wrong.length > 0) throw new Error(wrong.join('; '))
  // Its functions and patterns are its own; only what they are was looked at.
  return made as AgentRuntime
}

function sayIssue(issue: z.core.$ZodIssue): string[] {
  const at = issue.path.join('.')
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = Object.keys((at === 'can' ? can : at === 'login' ? login : adapter).shape)
      return issue.keys.map((key) => {
        const near = nearest(key, known)
        return `${at === '' ? key : `${at}.${key}`} is no part of the contract${near === null ? '' : ` (did you mean ${near}?)`}`
      })
    }
    case 'invalid_type':
      if (at === '') return ['it is no object']
      return [
        issue.input === undefined && issue.message.includes('undefined')
          ? `${at} is missing`
          : `${at} must be ${KINDS[issue.expected] ?? issue.expected}`,
      ]
    case 'invalid_value':
      return [`${at} must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`]
    case 'invalid_union':
      return [`${at} must be false or one of "duplex", "turn", "serve"`]
    case 'too_small':
      return [`${at} must not be empty`]
    default:
      return [`${at} ${issue.message}`]
  }
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}
