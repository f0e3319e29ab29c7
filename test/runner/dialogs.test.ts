import { expect, test } from 'vitest'
import { answerTo, type DialogPolicy } from '../../src/runner/dialogs.ts'

const asked = (about: string, answer: readonly string[] | null = null) => ({ is: 'dialog', about, answer }) as const
const POLICY: DialogPolicy = ['known', { match: 'Use this API key', answer: ['1', 'Enter'] }]

test.each<[string, DialogPolicy, Parameters<typeof answerTo>[1], readonly string[] | null]>([
  ['what the adapter knows', ['known'], asked('trust this folder', ['Enter']), ['Enter']],
  ['what is allowed in its words', POLICY, asked('use this api key?'), ['1', 'Enter']],
  ['nothing else', POLICY, asked('Delete everything?'), null],
  ['not even what the adapter knows, where that is not allowed', [], asked('trust this folder', ['Enter']), null],
  [
    'the first that allows it',
    [{ match: 'trust', answer: ['n'] }, 'known'],
    asked('trust this folder', ['Enter']),
    ['n'],
  ],
])('answers %s', (_, policy, screen, keys) => {
  expect(answerTo(policy, screen)?.keys ?? null).toEqual(keys)
})

test('an answer says what allows it', () => {
  expect(answerTo(POLICY, asked('Use this API key?'))?.why).toBe('watchdog.dialogs allows it: "Use this API key"')
})
