import { refuseAgents } from '../agents/whose.ts'
import { BROKER_VARIABLE } from '../broker/protocol.ts'
import { systemClock } from '../clock.ts'
import { recallSettings } from '../config/remembered.ts'
import { openDatabase } from '../db/open.ts'
import type { Post } from '../mail/deliver.ts'
import { plainCheckoutAround } from '../os/git-folder.ts'
import { AGENT_MARKER } from '../os/tree.ts'
import { databaseOf, stateDirOf } from '../state-dir.ts'
import { explainThrown, failureDocument, failureText } from './explained.ts'
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

/** The way to `ov` of whoever has typed this: an agent's broker, or the project of the human. */
export type Way<P> =
  | { readonly is: 'broker'; call(operation: string, input: unknown): Promise<unknown> }
  | { readonly is: 'project'; readonly project: P }

/** What can be opened of a project, to be closed again. */
interface Opened {
  readonly db: Post['db']
  close(): Promise<void>
}

/**
 * Does the work of a command by its way. False, with nothing done, where the way is not plain to see: in a place that is
 * no ordinary project, or with a configuration that has to be read anew.
 *
 * @param open opens the project whose root this is
 */
export async function travel<P extends Opened>(
  manner: Manner,
  open: (root: string) => Promise<P>,
  work: (way: Way<P>) => Promise<void>,
): Promise<boolean> {
  const broker = process.env[BROKER_VARIABLE]
  if (broker) {
    await said(manner, () => byBroker(broker, work))
    return true
  }
  // An agent without its broker is told off by the other door.
  if (broker !== undefined || process.env[AGENT_MARKER] !== undefined) return false
  const root = plainCheckoutAround(process.cwd())
  if (root === null || recallSettings(root, stateDirOf(root)) === null) return false
  await said(manner, async () => {
    const project = await open(root)
    try {
      await refuseAgents(project)
      await work({ is: 'project', project })
    } finally {
      await project.close()
    }
  })
  return true
}

/** Opens what mail needs of a project. */
export async function openPost(root: string): Promise<Post & Opened> {
  const databasePath = databaseOf(root)
  const db = openDatabase(databasePath)
  return { db, clock: systemClock, databasePath, close: () => db.destroy() }
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
    const failure = explainThrown(error)
    process.exitCode = failure.exitCode
    if (json) print(1, `${JSON.stringify(failureDocument(failure), null, 2)}\n`)
    else print(2, failureText(failure, { red: plain, dim: plain }))
  }
}
