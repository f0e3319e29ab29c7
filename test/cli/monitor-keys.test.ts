import { expect, test } from 'vitest'
import { type Act, type Key, press, type Seen, startingAt, type Ui } from '../../src/cli/monitor/keys.ts'

const SEEN: Seen = {
  ids: ['a', 'b', 'c'],
  agent: 'builder-1',
  question: { mail: 'q1', from: 'builder-1' },
  opens: { is: 'agent', name: 'builder-1' },
  height: 10,
  lines: 30,
}

/** Presses keys one after another; a word is typed letter by letter. */
function type(ui: Ui, keys: readonly (Key | string)[], seen: Seen = SEEN): { ui: Ui; acts: Act[] } {
  const acts: Act[] = []
  let now = ui
  const one = (key: Key) => {
    const pressed = press(now, key, seen)
    now = pressed.ui
    if (pressed.act !== null) acts.push(pressed.act)
  }
  for (const key of keys) {
    if (typeof key === 'string' && !NAMED.has(key)) for (const text of key) one({ text, how: 'alone' })
    else one(key as Key)
  }
  return { ui: now, acts }
}

const NAMED = new Set([
  'up',
  'down',
  'home',
  'end',
  'pagedown',
  'enter',
  'escape',
  'tab',
  'backtab',
  'backspace',
  'wipe',
])
const FLEET = startingAt('fleet')

test('arrows and letters move, and never beyond the ends', () => {
  expect(type(FLEET, ['down']).ui.selected.fleet).toBe('b')
  expect(type(FLEET, ['jj', 'down', 'down']).ui.selected.fleet).toBe('c')
  expect(type(FLEET, ['jk', 'up', 'k']).ui.selected.fleet).toBe('a')
  expect(type(FLEET, ['G']).ui.selected.fleet).toBe('c')
  expect(type(FLEET, ['end', 'g']).ui.selected.fleet).toBe('a')
})

test('views are chosen by number, Tab and arrows, around in a circle', () => {
  expect(type(FLEET, ['3']).ui.view).toBe('mail')
  expect(type(FLEET, ['tab', 'tab', 'tab', 'tab']).ui.view).toBe('problems')
  expect(type(startingAt('problems'), ['backtab']).ui.view).toBe('events')
})

test('each view keeps its own selection and filter', () => {
  const { ui } = type(FLEET, ['down', '3', 'down', 'down', '/', 'x', 'enter', '2'])
  expect(ui.selected).toEqual({ fleet: 'b', mail: 'c' })
  expect(ui.filter).toEqual({ mail: 'x' })
})

test('Enter opens what is selected, Esc and q come back, and q at a view ends', () => {
  const opened = type(FLEET, ['enter'])
  expect(opened.ui.page).toEqual({ is: 'agent', name: 'builder-1' })
  expect(type(opened.ui, ['q'])).toMatchObject({ ui: { page: null }, acts: [] })
  expect(type(opened.ui, ['escape', 'q']).acts).toEqual([{ do: 'quit' }])
})

test('a page scrolls as far as it has lines', () => {
  const { ui } = type(FLEET, ['enter', 'end'])
  expect(ui.scroll).toBe(20)
  expect(type(ui, ['down', 'pagedown']).ui.scroll).toBe(20)
  expect(type(ui, ['home']).ui.scroll).toBe(0)
})

test('a nudge is what was typed, letters that are keys elsewhere included', () => {
  expect(type(FLEET, ['n', 'q s y/', 'backspace', 'enter']).acts).toEqual([
    { do: 'nudge', agent: 'builder-1', text: 'q s y' },
  ])
  expect(type(FLEET, ['n', '  ', 'enter']).acts).toEqual([])
  expect(type(FLEET, ['n', 'no', 'escape']).ui.prompt).toBeNull()
  expect(type(FLEET, ['n', '👩‍💻', 'backspace']).ui.prompt).toMatchObject({ text: '' })
})

test('a reply goes to the question that is selected', () => {
  expect(type(FLEET, ['r', '30 days', 'enter']).acts).toEqual([
    { do: 'reply', mail: 'q1', to: 'builder-1', text: '30 days' },
  ])
  expect(type(FLEET, ['r'], { ...SEEN, question: null }).ui.message?.bad).toBe(true)
})

test('only y by itself stops an agent: no other key, nothing pasted, nothing typed ahead', () => {
  expect(type(FLEET, ['s', 'y']).acts).toEqual([{ do: 'stop', agent: 'builder-1' }])
  const asked = type(FLEET, ['s']).ui
  for (const how of ['quick', 'pasted'] as const)
    expect(press(asked, { text: 'y', how }, SEEN)).toMatchObject({ act: null, ui: { prompt: null } })
  expect(type(asked, ['enter'])).toMatchObject({ acts: [], ui: { prompt: null } })
  expect(type(asked, ['n', 'y']).acts).toEqual([])
})

test('what is pasted is text where text is asked for, and nothing elsewhere', () => {
  const pasted: Key = { text: 'sync all', how: 'pasted' }
  expect(press(FLEET, pasted, SEEN)).toMatchObject({ act: null, ui: { prompt: null, view: 'fleet' } })
  expect(press(type(FLEET, ['n']).ui, pasted, SEEN).ui.prompt).toMatchObject({ text: 'sync all' })
})

test('without an agent nothing is done to one', () => {
  const nobody = { ...SEEN, agent: null }
  for (const key of ['a', 'n', 's']) {
    const { ui, acts } = type(FLEET, [key], nobody)
    expect(acts).toEqual([])
    expect([ui.prompt, ui.message?.bad]).toEqual([null, true])
  }
})

test('the filter holds while it is typed; Esc gives back the one before', () => {
  const typed = type(FLEET, ['/', 'auth'])
  expect(typed.ui.filter.fleet).toBe('auth')
  expect(type(typed.ui, ['escape']).ui.filter.fleet).toBeUndefined()
  const kept = type(typed.ui, ['enter'])
  expect(kept.ui.filter.fleet).toBe('auth')
  expect(type(kept.ui, ['/', 'x', 'escape']).ui.filter.fleet).toBe('auth')
  expect(type(kept.ui, ['escape']).ui.filter.fleet).toBeUndefined()
})

test('at the newest event the view goes along with those to come', () => {
  const events = startingAt('events')
  expect(type(events, ['up']).ui.selected.events).toBe('b')
  expect(type(events, ['up', 'down']).ui.selected.events).toBeUndefined()
})
