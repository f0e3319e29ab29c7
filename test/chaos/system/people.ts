import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Outcome } from '../../../src/os/process.ts'
import { takeDown } from '../oracle.ts'
import type { Random } from '../random.ts'
import type { World } from './world.ts'

/*
 * The human of the fleet, in three places at once: slings tasks, reads mail and answers, writes to agents. What a command
 * acknowledged is taken down after it; a command that fails is typed again, as a person would.
 */

interface Letter {
  readonly id: string
  readonly from: string
  readonly type: string
  readonly subject: string
}

export interface People {
  /** What the human was acknowledged, and what the human has read. */
  readonly files: { readonly sent: string; readonly read: string }
  /** Refusals that are no honest ones: what `ov` printed. */
  readonly dishonest: readonly string[]
  /** How often a command was refused, by its exit code. */
  readonly refused: ReadonlyMap<number, number>
  /** Slings an agent that waits for a place if there is none; resolves when it is in the books. */
  sling(name: string): Promise<void>
  /** Has one that failed tried again; resolves with what was said when that was taken, or to the last try within a minute. */
  retry(name: string): Promise<{ readonly taken: boolean; readonly said: string }>
  /** Sends so many mails to one agent, one after the other. */
  flood(agent: string, count: number): Promise<void>
  /** Types nothing any more until `resume`; resolves when nothing is under way. */
  pause(): Promise<void>
  resume(): void
  close(): Promise<void>
}

/** Exit codes by which `ov` says what is wrong. */
const HONEST = new Set([0, 1, 2, 3, 4, 6])
const AGAIN_MS = 400
const RETRY_MS = 60_000

export function openPeople(world: World, random: Random, correspondents: () => readonly string[]): People {
  const files = {
    sent: join(world.home.path, 'oracle', 'human.mails'),
    read: join(world.home.path, 'oracle', 'human.read'),
  }
  const dishonest: string[] = []
  const refused = new Map<number, number>()
  /** Letters of one hand come one after the other, those of two have no order between them. */
  const hands = new Map<string, number>()
  let open = true
  let paused = false
  let underWay = 0

  const type = async (...words: string[]): Promise<Outcome> => {
    while (paused) await delay(20)
    underWay += 1
    try {
      const outcome = await world.ov(...words)
      const { code, output } = outcome
      if (code !== 0) refused.set(code ?? -1, (refused.get(code ?? -1) ?? 0) + 1)
      if (code === null || !HONEST.has(code) || /^\s+at .*\.js:\d+/m.test(output))
        dishonest.push(`ov ${words.join(' ')} ended with ${code ?? outcome.signal}: ${output.slice(-1_500)}`)
      return outcome
    } finally {
      underWay -= 1
    }
  }

  const send = async (from: string, to: string) => {
    // A try that failed may have been sent all the same: each has a number of its own.
    const nth = (hands.get(from) ?? 0) + 1
    hands.set(from, nth)
    const { code } = await type('mail', 'send', '--to', to, '--subject', `T ${from} ${nth}`, '--body', `from ${from}`)
    if (code === 0) takeDown(files.sent, { from, to, nth })
  }

  const reading = (async () => {
    while (open) {
      const { code, stdout } = await type('mail', 'check', '--json')
      const { mail }: { mail: Letter[] } = code === 0 ? JSON.parse(stdout) : { mail: [] }
      for (const { id, from, type: kind, subject } of mail) takeDown(files.read, { id, from, type: kind, subject })
      for (const { id, subject } of mail) {
        const asker = /^Question of (\S+)$/.exec(subject)?.[1]
        if (asker === undefined) continue
        // One who has ended needs no answer.
        for (let tries = 0; open && tries < 60; tries++) {
          const reply = await type('mail', 'reply', id, '--body', `answer to ${asker}`)
          if (reply.code === 0 || reply.code === 2) break
          await delay(AGAIN_MS)
        }
      }
      await delay(AGAIN_MS)
    }
  })()

  const writing = (async () => {
    const choices = random.of('letters')
    while (open) {
      const to = correspondents()
      if (to.length > 0) await send('human', choices.pick(to))
      await delay(choices.between(200, 900))
    }
  })()

  return {
    files,
    dishonest,
    refused,
    async sling(name) {
      for (;;) {
        const slung = await type('sling', '--name', name, '--task', `Task of ${name}`, '--json')
        if (slung.code === 0) return
        // What was refused may be in the books all the same.
        if ((await type('inspect', name, '--json')).code === 0) return
        if (!open) return
        await delay(AGAIN_MS)
      }
    },
    async retry(name) {
      for (const end = performance.now() + RETRY_MS; ; await delay(AGAIN_MS)) {
        const { code, output } = await type('retry', name)
        if (code === 0 || !open || performance.now() > end) return { taken: code === 0, said: output }
      }
    },
    async flood(agent, count) {
      const hand = `flood-${hands.size}`
      for (let sent = 0; sent < count && open; sent++) await send(hand, agent)
    },
    async pause() {
      paused = true
      while (underWay > 0) await delay(20)
    },
    resume() {
      paused = false
    },
    async close() {
      paused = false
      open = false
      await Promise.all([reading, writing])
    },
  }
}
