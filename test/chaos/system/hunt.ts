import { setTimeout as delay } from 'node:timers/promises'
import { signal } from '../../../src/os/process.ts'
import { takenDown, unreachable } from '../oracle.ts'
import { type Ledger, storyOf } from './ledger.ts'
import type { People } from './people.ts'
import { until } from './waits.ts'
import { roleOf, type World } from './world.ts'

/*
 * One agent that has no luck: its CLI is killed each time it comes up, until `ov` puts it aside. What it had committed by
 * then is there, its human is told, just once, and `ov retry` has it go on.
 */

/** As promised, whatever stands in the sources. */
export const MOST_RESTARTS = 3

/** It is put aside within this time, in ms: by three restarts with their pauses, and more of them where the clock was set. */
const HUNT_MS = 90_000
/** The human has read of it within this time, in ms. */
const TOLD_MS = 30_000
const EVERY_MS = 20

/** What of the world it needs. */
export interface Hunting {
  readonly world: World
  readonly ledger: Ledger
  readonly people: People
  /** How often the clock has been set by now: whatever was counted may count anew. */
  readonly jumps: () => number
  readonly onKill: () => void
  readonly gone: AbortSignal
  readonly note: (text: string) => void
  readonly problem: (what: string) => void
}

export async function hunt(
  { world, ledger, people, jumps, onKill, gone, note, problem }: Hunting,
  name: string,
): Promise<void> {
  const { home, repo, brain } = world
  const agent = () => ledger.agents().find((one) => one.name === name)
  const commits = () => [...new Set(takenDown<{ sha: string }>(brain.file(name, 'commits')).map(({ sha }) => sha))]
  // One of the two it has amended away: no branch has that any more.
  await until(() => commits().length > 1, HUNT_MS, gone)

  let kills = 0
  const isAside = () => agent()?.state === 'failed'
  for (const end = performance.now() + HUNT_MS; !isAside() && performance.now() < end; await delay(EVERY_MS)) {
    if (gone.aborted) return
    const cli = world.processes().find(({ pid }) => {
      const known = roleOf(pid)
      return known?.role === 'cli' && known.of === name
    })
    if (cli === undefined || !signal(cli, 'SIGKILL')) continue
    kills += 1
    onKill()
  }
  const { id = '', reason } = agent() ?? {}
  if (!isAside()) {
    problem(`${name} was never put aside, though its CLI was killed ${kills} times: ${storyOf(ledger, name)}`)
    return
  }
  const restarts = restartsOf(ledger, id)
  note(`${name} was killed ${kills} times, started again ${restarts} times and put aside`)
  if (restarts < MOST_RESTARTS || restarts > MOST_RESTARTS * (1 + jumps()))
    problem(`${name} was put aside after ${restarts} restarts.`)
  if (reason === null || reason === undefined || !reason.includes('put aside'))
    problem(`${name} was put aside, and the reason is said to be: ${reason}`)
  const lost = unreachable(home, repo, commits())
  if (lost.length > 0) problem(`Commits of ${name} were lost when it was put aside: ${lost.join(' ')}`)
  if (!(await until(() => lettersOf(people, name) > 0, TOLD_MS, gone)) && !gone.aborted)
    problem(`Nobody was told that ${name} was put aside.`)
  const { taken, said } = await people.retry(name)
  if (!taken && isAside()) problem(`${name} was put aside, and ov retry did not have it go on: ${said}`)
}

/** What counts as one. */
const RESTARTS = new Set(['agent.recovered', 'agent.requeued'])

/** How often an agent was started again, since a person had it tried again. */
export function restartsOf(ledger: Ledger, id: string): number {
  const mine = ledger.events().filter(({ agent }) => agent === id)
  const anew = mine.findLastIndex(({ type }) => type === 'agent.retried')
  return mine.slice(anew + 1).filter(({ type }) => RESTARTS.has(type)).length
}

/** How often the human has read that it failed. */
export function lettersOf(people: People, name: string): number {
  const letters = takenDown<{ subject: string }>(people.files.read)
  return letters.filter(({ subject }) => subject.startsWith(`${name} failed: `)).length
}
