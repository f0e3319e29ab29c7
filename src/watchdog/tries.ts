import { type EventRow, showsLife } from './signs.ts'
import { aboutOf, type TroubleKind } from './trouble.ts'

/** What was done about a trouble of an agent, as far as the events go back: a sentence each, oldest first. */
export function triesIn(events: readonly EventRow[], about: TroubleKind, nudges: number): string[] {
  const mine = events.filter(({ data_json }) => aboutOf(data_json) === about)
  const nudged = mine.filter(({ type }) => type === 'agent.nudged').slice(nudges === 0 ? mine.length : -nudges)
  // A verdict that moved the deadline begins a new count of nudges, but without a sign of life no new trouble.
  const since = Math.min(Number(nudged[0]?.id ?? 0), Number(events.findLast(showsLife)?.id ?? 0))
  const verdicts = mine.filter(({ id, type }) => type === 'agent.triaged' && Number(id) > since)
  return [...nudged, ...verdicts].sort((a, b) => Number(a.id) - Number(b.id)).map(sentence)
}

function sentence({ type, data_json }: EventRow): string {
  const { silentMs, about, verdict, why, proposed } = JSON.parse(data_json)
  if (type === 'agent.triaged') {
    const advice = verdict === 'nudge' && typeof proposed?.text === 'string' ? ` ("${proposed.text}")` : ''
    return `It was judged, and the verdict was ${verdict}${advice}: ${why}`
  }
  return about === 'loop'
    ? 'It was told that it goes in circles.'
    : `It was nudged after ${minutes(Number(silentMs))} of silence.`
}

/** A time, for people: seconds below two minutes, hours from two on. */
export function minutes(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 1000)} seconds`
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} minutes` : `${Math.round(ms / 3_600_000)} hours`
}
