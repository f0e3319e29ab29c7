import { type Agent, namesOf } from '../agents/store.ts'
import type { Schema } from '../db/schema.ts'
import { eventLine, idsIn } from '../events/line.ts'
import { eventsAfter, recentEvents } from '../events/store.ts'
import { endOfLines, growing } from '../os/tail.ts'
import type { Project } from '../project.ts'
import { loadRuntimeOf } from '../runtimes/registry.ts'
import { outputFile } from '../state-dir.ts'
import { whileOpen } from './follow.ts'
import { type Entry, entriesIn, lastEntries, wordsOf } from './output.ts'

/** Something that happened: for a person as lines, for a program as a document. */
export interface Item {
  readonly at: number
  readonly lines: readonly string[]
  readonly document: Entry | Recorded
}

/** An event as `ov` recorded it. */
interface Recorded {
  readonly at: number
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

/** What happened last, and what happens from there on, with nothing between missed. */
export interface Journal {
  readonly recent: readonly Item[]
  /** Until the agent has ended or `gone` aborts. */
  follow(each: (item: Item) => void, gone: AbortSignal): Promise<void>
}

/**
 * What an agent's runtime printed.
 *
 * @param options.count lines wanted of what is there already
 * @param options.raw as it was printed, instead of as a person reads it
 */
export async function outputJournal(
  project: Project,
  agent: Agent,
  { count, raw }: { count: number; raw: boolean },
): Promise<Journal> {
  const runtime = await loadRuntimeOf(agent)
  const linesOf = (entry: Entry) => (raw ? (entry.stream === 'in' ? [] : [entry.text]) : wordsOf(entry, runtime))
  const itemOf = (entry: Entry): Item => ({ at: entry.at, lines: linesOf(entry), document: entry })
  const path = outputFile(project, agent)
  const end = endOfLines(path)
  return {
    recent: lastEntries(path, count, linesOf, end).map(itemOf),
    async follow(each, gone) {
      const file = growing(path, end)
      const step = () => {
        for (const entry of file.read().flatMap(entriesIn)) each(itemOf(entry))
      }
      try {
        await whileOpen(project, agent, step, gone)
      } finally {
        file.close()
      }
    },
  }
}

/** What `ov` recorded of an agent. */
export async function eventJournal(project: Project, agent: Agent, { count }: { count: number }): Promise<Journal> {
  const itemsOf = async (events: readonly Schema['events'][]): Promise<Item[]> => {
    const names = await namesOf(project.db, idsIn(events))
    return events.map((event) => ({
      at: event.at,
      lines: [eventLine(event, names)],
      document: { at: event.at, type: event.type, data: JSON.parse(event.data_json) },
    }))
  }
  const recent = await recentEvents(project.db, { agentId: agent.id }, Math.max(1, count))
  let last = Number(recent.at(-1)?.id ?? 0)
  return {
    recent: await itemsOf(recent.slice(recent.length - Math.min(count, recent.length))),
    follow(each, gone) {
      const step = async () => {
        const events = await eventsAfter(project.db, agent.id, last)
        last = Number(events.at(-1)?.id ?? last)
        for (const item of await itemsOf(events)) each(item)
      }
      return whileOpen(project, agent, step, gone)
    },
  }
}
