import { git } from '../../rig/sandbox-home.ts'
import { doubled, isGreen, missing, movesOf, outOfOrder, takenDown, unreachable } from '../oracle.ts'
import type { Plan } from './brain.ts'
import type { AgentRow } from './ledger.ts'
import type { People } from './people.ts'
import type { World } from './world.ts'

/** A mail that its sender was told is sent. */
interface Sent {
  readonly from: string
  readonly to: string
  readonly nth: number
}

/** What became of everything, by those outside `ov`. */
export interface Account {
  readonly acknowledged: number
  readonly delivered: number
  /** Of those, mails whose reader had ended: their sender, or who stands in for it, was told. */
  readonly bounced: number
  readonly commits: number
  readonly reachable: number
  readonly moves: number
  readonly mainGreen: boolean
  readonly merged: number
  readonly problems: readonly string[]
}

/** One prompt in one conversation. */
interface Heard {
  readonly agent: string
  readonly sessionId: string
  readonly message: { readonly content: string }
}

/** @param base the commit before the fleet began */
export function accountOf(
  world: World,
  {
    plans,
    people,
    agents,
    base,
  }: { plans: readonly Plan[]; people: People; agents: readonly AgentRow[]; base: string },
): Account {
  const problems: string[] = []
  const { home, repo, brain } = world
  const mail = accountOfMail(world, plans, people, problems)

  const commits = plans.flatMap(({ name }) =>
    takenDown<{ sha: string }>(brain.file(name, 'commits')).map(({ sha }) => sha),
  )
  const made = [...new Set(commits)]
  const lost = unreachable(home, repo, made)
  if (lost.length > 0) problems.push(`Commits that no ref reaches: ${lost.join(' ')}`)

  const moves = movesOf(home, repo, base)
  const red = moves.filter((commit) => !isGreen(home, repo, commit))
  if (red.length > 0) problems.push(`main was red at ${red.join(' ')}`)

  const files = new Set(git(home, repo, 'ls-tree', '--name-only', 'main').split('\n'))
  const vanished: string[] = []
  let merged = 0
  for (const { name } of plans) {
    const agent = agents.find((one) => one.name === name)
    const isOnMain = files.has(`${name}-1.txt`) && files.has(`${name}-2.txt`)
    if (isOnMain) merged += 1
    if (agent === undefined) problems.push(`${name} was slung, and is in no book.`)
    else if (agent.state === 'done' && !isOnMain) vanished.push(name)
    else if (agent.state === 'failed' || agent.state === 'stopped')
      problems.push(`${name} ended ${agent.state}: ${agent.reason ?? ''}`)
  }
  if (vanished.length > 0) problems.push(`Done, and not on main: ${vanished.join(' ')}${removals(world)}`)
  return {
    ...mail,
    commits: made.length,
    reachable: made.length - lost.length,
    moves: moves.length,
    mainGreen: red.length === 0 && moves.length > 0,
    merged,
    problems,
  }
}

/** Commits that took files away which agents had made, in words. */
function removals({ home, repo }: World): string {
  const words = git(home, repo, 'log', '--diff-filter=D', '--name-only', '--format=%n%h %an: %s,', 'main', '--', 'w-*')
  return words === '' ? '' : `; taken away by ${words.replace(/\s+/g, ' ').slice(0, 2_000)}`
}

/** Every acknowledged mail is in the context of its reader, once, or its sender's side was told that it is not. */
function accountOfMail(
  { brain, conversations }: World,
  plans: readonly Plan[],
  people: People,
  problems: string[],
): { acknowledged: number; delivered: number; bounced: number } {
  const heard = conversations().split('\n').filter(Boolean).flatMap(whole)
  const letters = takenDown<{ id: string; from: string; subject: string }>(people.files.read)
  const seen = [
    ...heard.flatMap(({ agent, sessionId, message }) =>
      [...message.content.matchAll(FRAME)].map(([, id = '', subject = '']) => ({
        by: agent,
        in: sessionId,
        id,
        subject,
      })),
    ),
    ...letters.map(({ id, subject }) => ({ by: 'human', in: 'human', id, subject })),
  ]
  const twice = doubled(seen.map(({ in: context, id }) => `${context} ${id}`))
  if (twice.length > 0) problems.push(`Mails that came twice into one context: ${twice.join(', ')}`)

  const sent = [
    ...plans.flatMap(({ name }) => takenDown<Sent>(brain.file(name, 'mails'))),
    ...takenDown<Sent>(people.files.sent),
  ]
  const tokenOf = ({ from, nth }: Sent) => `T ${from} ${nth}`
  const arrived = new Map(seen.filter(({ subject }) => subject.startsWith('T ')).map((one) => [one.subject, one]))
  const returned = new Set(seen.flatMap(({ subject }) => /^Not delivered to \S+: (T .*)$/.exec(subject)?.[1] ?? []))
  const wrong = sent.filter((one) => {
    const by = arrived.get(tokenOf(one))?.by
    return by !== undefined && by !== one.to
  })
  if (wrong.length > 0) problems.push(`Mails that came to somebody else: ${wrong.map(tokenOf).join(', ')}`)
  const lost = missing(sent.map(tokenOf), [...arrived.keys(), ...returned])
  if (lost.length > 0) problems.push(`Acknowledged mails that neither came nor came back: ${lost.join(', ')}`)
  const both = [...arrived.keys()].filter((token) => returned.has(token))
  if (both.length > 0) problems.push(`Mails that came and were said not to: ${both.join(', ')}`)

  for (const reader of new Set(seen.map(({ by }) => by))) {
    const order = seen.flatMap(({ by, subject }) => {
      const [, from, nth] = /^T (\S+) (\d+)$/.exec(subject) ?? []
      return by === reader && from !== undefined ? [{ from, nth: Number(nth) }] : []
    })
    for (const wrong of outOfOrder(order)) problems.push(`Out of order, read by ${reader}: ${wrong}`)
  }
  const tokens = sent.map(tokenOf)
  const direct = tokens.filter((token) => arrived.has(token)).length
  const bounced = tokens.filter((token) => returned.has(token) && !arrived.has(token)).length
  return { acknowledged: sent.length, delivered: direct + bounced, bounced }
}

/** What stands in one line; nothing when it was cut off. */
function whole(line: string): Heard[] {
  try {
    return [JSON.parse(line) as Heard]
  } catch {
    // Its CLI was killed while it wrote.
    return []
  }
}

/** A mail as it stands in a prompt: its id and its subject. */
const FRAME = /<ov-mail id=(\S+) from="[^"]*" type="\w+" priority="\w+" subject="([^"]*)">/g
