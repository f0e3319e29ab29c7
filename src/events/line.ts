import { oneLine } from '../mail/frame.ts'

/** Ids in what is shown end up as their end, which is random and short. */
const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}([0-9a-f]{8})/g

/** An event as one line of text: its type and what it carries. */
export function eventLine({ type, data_json }: { readonly type: string; readonly data_json: string }): string {
  const data = Object.entries(JSON.parse(data_json) as Record<string, unknown>)
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return oneLine([type, ...data].join(' ').replace(ID, '$1'), 300)
}
