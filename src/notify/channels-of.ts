import type { Config } from '../config/schema.ts'
import { CHANNELS, type Channel } from './store.ts'

/** The channels that are configured. */
export function channelsOf({ notify }: Config): Channel[] {
  const wanted = {
    desktop: notify.desktop,
    command: notify.command !== undefined,
    webhook: notify.webhook !== undefined,
  }
  return CHANNELS.filter((channel) => wanted[channel])
}
