import { oneLine } from '../mail/frame.ts'

/** Ids in what is shown end up as their end, which is random and short. */
const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}([0-9a-f]{8})/g

/**
 * An event as one line of text: its type and what it carries.
 * @param names of agents, by their ids: they stand in place of the ids
 */
export function eventLine(
  { type, data_json }: { readonly type: string; readonly data_json: string },
  names: ReadonlyMap<string, string> = new Map(),
): string {
  const data = Object.entries(JSON.parse(data_json) as Record<string, unknown>)
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return oneLine(
    [type, ...data].join(' ').replace(ID, (id, end) => names.get(id) ?? end),
    300,
  )
}

/** All ids in what events carry: those of agents are among them. */
export function idsIn(events: readonly { readonly agent_id: string | null; readonly data_json: string }[]): string[] {
  return [...new Set(events.flatMap(({ agent_id, data_json }) => [agent_id ?? [], data_json.match(ID) ?? []].flat()))]
}
