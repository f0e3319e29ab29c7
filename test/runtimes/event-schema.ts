import * as z from 'zod'
import type { AgentEvent, FailureCause } from '../../src/contract/runtime.ts'

const causes = {
  auth: true,
  rate_limit: true,
  quota: true,
  overloaded: true,
  network: true,
  model: true,
  context: true,
  limit: true,
  refused: true,
  interrupted: true,
  crash: true,
  unknown: true,
} as const satisfies Record<FailureCause, true>
const cause = z.enum(Object.keys(causes) as [FailureCause, ...FailureCause[]])

const amount = z.number().finite().nonnegative().nullable()
const scope = z.enum(['added', 'total'])

/** `AgentEvent` as a schema: an adapter's answer to anything must be one of these, with nothing beside. */
export const agentEvent = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('started'),
    session: z.string().optional(),
    model: z.string().optional(),
    version: z.string().optional(),
  }),
  z.strictObject({ type: z.literal('turn_start'), turn: z.string().optional() }),
  z.strictObject({ type: z.literal('accepted'), text: z.string().nullable() }),
  z.strictObject({ type: z.literal('text'), text: z.string(), piece: z.literal(true).optional() }),
  z.strictObject({
    type: z.literal('tool_start'),
    id: z.string(),
    tool: z.string(),
    summary: z.string(),
    input: z.unknown().optional(),
  }),
  z.strictObject({ type: z.literal('tool_end'), id: z.string(), ok: z.boolean(), summary: z.string() }),
  z.strictObject({
    type: z.literal('usage'),
    usage: z.strictObject({
      input: amount,
      output: amount,
      cacheRead: amount,
      cacheWrite: amount,
      costUsd: amount,
      model: z.string().optional(),
    }),
    scope,
    costScope: scope,
  }),
  z.strictObject({ type: z.literal('rate_limited'), resetAt: z.number().nullable(), message: z.string() }),
  z.strictObject({
    type: z.literal('retrying'),
    attempt: z.number(),
    delayMs: z.number(),
    cause,
    until: z.number().optional(),
    message: z.string().optional(),
  }),
  z.strictObject({ type: z.literal('waiting'), why: z.enum(['permission', 'input']), message: z.string() }),
  z.strictObject({
    type: z.literal('ask'),
    ask: z.strictObject({
      id: z.string(),
      when: z.enum(['before_tool', 'after_tool', 'prompt', 'stop']),
      tool: z.string().optional(),
      writes: z.union([z.string(), z.array(z.string())]).optional(),
      interactive: z.boolean().optional(),
      data: z.json().optional(),
    }),
  }),
  z.strictObject({ type: z.literal('turn_end'), claim: z.literal('done').optional(), text: z.string().optional() }),
  z.strictObject({ type: z.literal('failed'), cause, message: z.string(), resetAt: z.number().optional() }),
  z.strictObject({ type: z.literal('unknown'), line: z.string() }),
]) satisfies z.ZodType<{ type: AgentEvent['type'] }>
