import { type Liveness, liveness } from '../os/process.ts'
import { mayRun, runnersOf } from '../os/tree.ts'
import { type Agent, ownerOf } from './store.ts'

/** A runner shows among the processes within this time of its start, though its starter has ended, in ms. */
const START_MS = 2_000
/** A starter that lives may take this long for a start, in ms: tmux does not answer at once each time. */
const LONG_START_MS = 45_000

/**
 * Whether a start may still come to something. Until its runner takes over, an agent is its starter's, which may end at once,
 * or live on for days: neither tells what became of the runner. `unknown`: it may be on its way.
 *
 * @param agent one that is `starting`
 * @param now ms since the epoch. A start that seems to lie ahead (the clock was set back) is an old one.
 */
export function startSeen(
  agent: Pick<Agent, 'id' | 'state_since' | 'owner_pid' | 'owner_start' | 'owner_boot'>,
  now: number,
): Liveness {
  const starter = ownerOf(agent)
  if (starter === null) return 'unknown'
  const seen = liveness(starter)
  if (seen === 'unknown') return seen
  // It is its own by now.
  if (seen === 'alive' && mayRun(starter.pid, agent.id)) return seen
  const age = now - agent.state_since
  if (seen === 'alive' && age >= 0 && age < LONG_START_MS) return seen
  if (runnersOf(agent.id).length > 0) return 'alive'
  return seen === 'gone' && age >= 0 && age < START_MS ? 'unknown' : 'gone'
}
