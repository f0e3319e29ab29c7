import { setImmediate } from 'node:timers/promises'
import { render, Text, Transform, useApp, useInput, usePaste, useWindowSize } from 'ink'
import { useEffect, useSyncExternalStore } from 'react'
import { codeOf } from '../../errors.ts'
import type { Lend } from './actions.ts'
import type { Key } from './keys.ts'
import type { Ended, Live } from './live.ts'

/** Shows what `live` says is to be shown, and tells it the keys. */
function Screen({ live, lent }: { readonly live: Live; readonly lent: (lend: Lend) => void }) {
  useSyncExternalStore(live.subscribe, live.lines)
  const { rows } = useWindowSize()
  const { suspendTerminal } = useApp()
  useEffect(() => lent((work) => suspendTerminal(() => withoutUs(work))), [lent, suspendTerminal])
  useInput((input, key) => {
    for (const one of keysOf(input, key)) live.press(one)
  })
  usePaste((text) => live.press({ text: text.replace(/\s+/g, ' '), how: 'pasted' }))
  // The lines are laid out, cut and padded already. As children of `Text` they would be measured all over again, which
  // is most of what a picture costs; as a transformation of empty lines they are not.
  return (
    <Transform transform={(_empty, index) => live.lines()[index] ?? ''}>
      <Text>{Array.from({ length: rows }, () => ' ').join('\n')}</Text>
    </Transform>
  )
}

/** Does something while this process reads no key: ink only stops listening, and would take the other's keys away. */
async function withoutUs(work: () => Promise<void>): Promise<void> {
  // A stream with a listener that has just gone can be paused from the next round on, and has stopped in the one after.
  await setImmediate()
  process.stdin.pause()
  await setImmediate()
  await work()
}

type InkKey = Parameters<Parameters<typeof useInput>[0]>[1]

const NAMED = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['pageUp', 'pageup'],
  ['pageDown', 'pagedown'],
  ['home', 'home'],
  ['end', 'end'],
  ['return', 'enter'],
  ['escape', 'escape'],
  ['backspace', 'backspace'],
  ['delete', 'backspace'],
] as const satisfies readonly (readonly [keyof InkKey, Key])[]

const CONTROLS: Readonly<Record<string, Key>> = {
  c: 'interrupt',
  z: 'suspend',
  l: 'redraw',
  u: 'wipe',
  h: 'backspace',
  n: 'down',
  p: 'up',
  f: 'pagedown',
  b: 'pageup',
  d: 'escape',
  g: 'escape',
}

/** So many keys can come in one piece from a fast hand on a slow line. More than that was pasted. */
const QUICK_KEYS = 3

/** The keys in one piece of input: a named one, or letters with Enter among them. */
function keysOf(input: string, key: InkKey): Key[] {
  const named = NAMED.find(([is]) => key[is])
  if (named !== undefined) return [named[1]]
  if (key.tab) return [key.shift ? 'backtab' : 'tab']
  if (key.ctrl) return Object.hasOwn(CONTROLS, input) ? [CONTROLS[input] ?? 'escape'] : []
  if (key.meta) return []
  const how = input.length === 1 ? 'alone' : 'quick'
  return input
    .split(/([\r\n])/)
    .filter((piece) => piece !== '')
    .flatMap((piece): Key[] => {
      if (piece === '\r' || piece === '\n') return ['enter']
      return piece.length > QUICK_KEYS ? [{ text: piece, how: 'pasted' }] : Array.from(piece, (text) => ({ text, how }))
    })
}

/**
 * Takes the terminal until the person leaves, and gives it back as it was, whatever happens.
 *
 * @param lent called with what gives the terminal away for a while
 */
export async function showLive(live: Live, lent: (lend: Lend) => void, gone: AbortSignal): Promise<Ended> {
  // Before ink hears of it, so that it never draws lines for another size.
  const resize = () => live.resize({ columns: process.stdout.columns, rows: process.stdout.rows })
  process.stdout.on('resize', resize)
  resize()
  const app = render(<Screen live={live} lent={lent} />, {
    alternateScreen: true,
    exitOnCtrlC: false,
    incrementalRendering: true,
    interactive: true,
    patchConsole: false,
  })
  const closed = new AbortController()
  const close = () => closed.abort()
  const broken = (error: Error) => {
    // The terminal was closed.
    if (['EIO', 'EPIPE', 'ENXIO', 'EBADF'].includes(codeOf(error) ?? '')) close()
    else throw error
  }
  process.stdin.on('end', close).on('error', broken)
  process.stdout.on('error', broken)
  try {
    return await live.run(AbortSignal.any([gone, closed.signal]))
  } finally {
    app.unmount()
    await app.waitUntilExit()
    process.stdin.off('end', close).off('error', broken)
    process.stdout.off('error', broken).off('resize', resize)
    // What is typed from here on is for the shell.
    process.stdin.pause()
  }
}
