import { oneLine, plainText } from '../mail/frame.ts'
import type { Explanation, Fact } from '../reports/why.ts'
import { ago, span } from './ages.ts'
import { paintOf, stateText } from './status-screen.ts'
import { style } from './style.ts'
import { cutTo, padTo, widthOf, wrapTo } from './width.ts'

/** The screen of `ov why`, line by line. */
export function whyScreen({ agent, why, seen, done, next, at }: Explanation, width: number): string[] {
  const state = `${stateText(agent, at)} for ${span(at - agent.since)}`
  return [
    `${style.bold(cutTo(agent.name, width))} · ${paintOf(agent)(state)}`,
    ...(why.text === '' ? [] : wrapTo(plainText(why.text), width)),
    ...section('Seen', seen, at, width),
    ...section('Done about it', done, at, width),
    ...section('Next', next, at, width, () => 'now'),
    ...(why.hint === null ? [] : ['', `${style.dim('→')} ${cutTo(why.hint, width - 2)}`]),
  ]
}

/** @param past says when something was, or has been due since */
function section(title: string, facts: readonly Fact[], now: number, width: number, past = ago): string[] {
  if (facts.length === 0) return []
  const times = facts.map(({ at }) => when(at, now, past))
  const column = Math.max(...times.map(widthOf))
  const room = Math.max(10, width - column - 4)
  return [
    '',
    style.bold(title),
    ...facts.flatMap(({ text }, index) =>
      wrapTo(oneLine(text, 400), room).map(
        (line, row) =>
          `  ${style.dim(padTo(row === 0 ? (times[index] ?? '') : '', column))}${column > 0 ? '  ' : ''}${line}`,
      ),
    ),
  ]
}

function when(at: number | null, now: number, past: typeof ago): string {
  if (at === null) return ''
  if (at > now) return `in ${span(at - now)}`
  return past(at, now)
}
