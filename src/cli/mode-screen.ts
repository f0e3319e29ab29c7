import { timeOfDay } from '../clock.ts'
import type { Level } from '../contract/states.ts'
import { holdsByLevel, type ModeReport } from '../load/mode.ts'
import { oneLine } from '../mail/frame.ts'

const MEANING: Readonly<Record<Level, string>> = {
  full: 'nothing is held back',
  reduced: 'half the places, no worktrees made ahead, no model asked about agents that hang',
  minimal: 'nothing new starts; what runs goes on, and is merged',
  'read-only': 'no turn begins, nothing is merged or landed; turns that run go on to their end',
}

/** What the fleet is at, in lines: the level with its meaning, whose wish it is, and why. */
export function sayMode(mode: ModeReport, at: number): string[] {
  const { level, by, why, since, until, holds } = mode
  const whose = level === 'full' ? '' : by === 'human' ? ', as you said' : ', by itself'
  const from = since === null || level === 'full' ? '' : `, since ${timeOfDay(since, at)}`
  const end = until === null ? '' : `, until ${timeOfDay(until, at)}`
  return [
    `The fleet is at "${level}"${whose}${from}${end}: ${MEANING[level]}.`,
    ...(why === '' ? [] : [`Why: ${why}`]),
    ...(holdsByLevel(mode) ? [] : [`What is queued waits: ${holds}`]),
  ]
}

/** A level below `full` in a line: whose wish it is, and why; where nobody has said why, what it means. */
export function modeInShort({ level, by, why }: ModeReport): string {
  return `${level}, ${by === 'human' ? 'as you said' : 'by itself'}: ${why === '' ? MEANING[level] : oneLine(why, 300)}`
}
