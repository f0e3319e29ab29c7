import { expect, test } from 'vitest'
import { limitLines } from '../../src/cli/limits-screen.ts'

const NOW = new Date(2026, 0, 1, 12).getTime()
const LIMIT = {
  provider: 'anthropic',
  account: '$ANTHROPIC_API_KEY a15103f3',
  runtime: 'claude',
  cause: 'rate_limit',
  until: NOW + 7_500_000,
  estimated: false,
  since: NOW,
  setbacks: 1,
  said: 'You have hit your\u001b[2J limit',
  probe: null,
  waiting: ['builder-1', 'builder-2'],
} as const

test('a limit says until when, whom it holds up, by which login it was met, and what was said, made harmless', () => {
  expect(limitLines(LIMIT, NOW, Number.POSITIVE_INFINITY)).toEqual([
    'anthropic limited until 14:05, 2 agents wait',
    '  $ANTHROPIC_API_KEY a15103f3, met by claude: You have hit your limit',
  ])
  expect(limitLines({ ...LIMIT, said: '', until: null, cause: 'auth', waiting: [] }, NOW, 40)).toEqual([
    'anthropic stopped: its login was refused',
    '  $ANTHROPIC_API_KEY a15103f3, met by',
    '  claude',
  ])
})
