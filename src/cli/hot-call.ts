import { refuseAgents } from '../agents/whose.ts'
import { BROKER_VARIABLE } from '../broker/protocol.ts'
import { areSettingsKnown } from '../config/remembered.ts'
import { codeOf, EXIT_CODES } from '../errors.ts'
import { plainCheckoutAround } from '../os/git-folder.ts'
import { AGENT_MARKER } from '../os/tree.ts'
import type { Project } from '../project.ts'
import { stateDirOf } from '../state-dir.ts'
import { explainInterruption, explainThrown, failureDocument, failureText } from './explained.ts'
import { isInterrupted } from './interruption.ts'
import { print } from './print.ts'

/** What a command of the fast door was told beside its own flags. */
export interface Manner {
  readonly json?: boolean | undefined
  readonly quiet?: boolean | undefined
}

/** Paints nothing: the fast door is for no terminal. */
export const plain = (text: string): string => text

/** Talk, on stderr, unless only the result is wanted. */
export function say({ json, quiet }: Manner, text: string): void {
  if (!json && !quiet) print(2, `${text}\n`)
}

/** The result: one document, or the lines for people. */
export function tell({ json }: Manner, document: unknown, lines: string): void {
  if (json) print(1, `${JSON.stringify(document, null, 2)}\n`)
  else if (lines !== '') print(1, lines)
}

/** By what whoever has typed this reaches `ov`: an agent by its broker, the human by the project's folder. */
export type TheirWay =
  | { readonly is: 'broker'; readonly path: string }
  | { readonly is: 'human'; readonly root: string }

/**
 * Null where the way is not plain to see: in an agent whose environment was changed, in a place that is no ordinary
 * project, or with a configuration that has to be read anew.
 */
export function theirWay(): TheirWay | null {
  const path = process.env[BROKER_VARIABLE]
  if (path) return { is: 'broker', path }
  if (path !== undefined || process.env[AGENT_MARKER] !== undefined) return null
  const root = checkoutHere()
  return root === null || !areSettingsKnown(root, stateDirOf(root)) ? null : { is: 'human', root }
}

function checkoutHere(): string | null {
  try {
    return plainCheckoutAround(process.cwd())
  } catch (error) {
    // The folder was deleted: the other door says so.
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

/** The same way, open: an agent's broker, or what was opened of the human's project. */
export type Way<P> =
  | { readonly is: 'broker'; call(operation: string, input: unknown): Promise<unknown> }
  | { readonly is: 'project'; readonly project: P }

/** Does the work of a command by its way, and says what goes wrong. */
export async function travel<P extends { readonly db: Project['db']; close(): Promise<void> }>(
  way: TheirWay,
  manner: Manner,
  open: (root: string) => Promise<P>,
  work: (way: Way<P>) => Promise<void>,
): Promise<void> {
  await said(manner, async () => {
    if (way.is === 'broker') return byBroker(way.path, work)
    const project = await open(way.root)
    try {
      await refuseAgents(project)
      await work({ is: 'project', project })
    } finally {
      await project.close()
    }
  })
}

async function byBroker(path: string, work: (way: Way<never>) => Promise<void>): Promise<void> {
  const { openBrokerLine } = await import('../broker/client.ts')
  const line = openBrokerLine(path)
  try {
    await work({ is: 'broker', call: line.call })
  } finally {
    line.close()
  }
}

/** Says what is thrown as the other door does. */
async function said({ json }: Manner, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const failure = explainInterruption(error) ?? explainThrown(error)
    process.exitCode = failure.exitCode
    if (json) print(1, `${JSON.stringify(failureDocument(failure), null, 2)}\n`)
    else print(2, failureText(failure, { red: plain, dim: plain }))
  }
  // What ended in good order because it was interrupted was interrupted all the same.
  if (isInterrupted()) process.exitCode = EXIT_CODES.interrupted
}
