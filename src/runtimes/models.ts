import type { AgentRuntime } from '../contract/runtime.ts'

type Models = Pick<AgentRuntime, 'id' | 'models' | 'ownModels'>

/**
 * The runtime whose model a name is, when it is another's: `sonnet` for codex is claude's. Null where it may be passed on.
 *
 * An alias (a name without digits) is understood by who has it alone. A full id goes to any CLI that takes models of
 * several vendors; one that takes only its own vendor's gets no other vendor's.
 */
export function ownerOfModel<T extends Models>(name: string, runtime: Models, others: readonly T[]): T | null {
  if (knows(runtime, name)) return null
  const isAlias = !/\d/.test(name)
  if (!isAlias && runtime.ownModels === undefined) return null
  return others.find((other) => other.id !== runtime.id && knows(other, name)) ?? null
}

function knows({ models, ownModels }: Models, name: string): boolean {
  return Object.hasOwn(models, name) || ownModels?.test(name) === true
}
