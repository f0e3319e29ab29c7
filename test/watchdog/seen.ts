import type { AgentSeen, Seen } from '../../src/watchdog/rules.ts'
import { NOTHING_TRIED } from '../../src/watchdog/silence.ts'

export const LIMITS = { nudgeAfter: 120_000, nudgeEvery: 60_000, nudges: 3, toolLimit: 1_800_000 }

/** An agent that works, as a look finds it. */
export const agent = (more: Partial<AgentSeen> = {}): AgentSeen => ({
  id: 'a',
  state: 'working',
  fence: 1,
  runner: 'alive',
  mark: 'm0',
  screen: 0,
  busy: false,
  persistent: false,
  reads: true,
  tried: NOTHING_TRIED,
  cpuMs: null,
  troubles: [],
  ...more,
})

/** Nothing else to be done. */
export const QUIET: Omit<Seen, 'at' | 'agents'> = {
  places: 5,
  stranded: [],
  merges: [],
  landings: [],
  unmarked: [],
  escalations: [],
  untold: false,
}
