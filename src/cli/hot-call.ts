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
export type Way =
  | { readonly is: 'broker'; call(operation: string, input: unknown): Promise<unknown> }
  | { readonly is: 'post'; readonly post: Post }

/**
 * Does the work of a command by its way. False, with nothing done, where the way is not plain to see: in a place that is
 * no ordinary project, or with a configuration that has to be read anew.
 */
export async function travel(manner: Manner, work: (way: Way) => Promise<void>): Promise<boolean> {
  const broker = process.env[BROKER_VARIABLE]
  if (broker) return byBroker(broker, manner, work)
  // An agent without its broker is told off by the other door.
  if (broker !== undefined || process.env[AGENT_MARKER] !== undefined) return false
  const root = plainCheckoutAround(process.cwd())
  if (root === null || recallSettings(root, stateDirOf(root)) === null) return false
  await said(manner, async () => {
    const databasePath = databaseOf(root)
    const db = openDatabase(databasePath)
    try {
      await refuseAgents({ db })
      await work({ is: 'post', post: { db, clock: systemClock, databasePath } })
    } finally {
      await db.destroy()
    }
  })
  return true
}

async function byBroker(path: string, manner: Manner, work: (way: Way) => Promise<void>): Promise<true> {
  await said(manner, async () => {
    const { openBrokerLine } = await import('../broker/client.ts')
    const line = openBrokerLine(path)
    try {
      await work({ is: 'broker', call: line.call })
    } finally {
      line.close()
    }
  })
  return true
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
