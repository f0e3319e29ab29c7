import { expect, test } from 'vitest'
import { agentEnvironment } from '../../src/agents/environment.ts'
import { redactorOf } from '../../src/agents/redact.ts'

test('an agent sees the allow-list, what its runtime needs and what the configuration names, and no other secret', () => {
  const host = {
    PATH: '/bin',
    LC_ALL: 'C',
    AWS_SECRET_ACCESS_KEY: 'x',
    ANTHROPIC_API_KEY: 'k',
    DATABASE_URL: 'd',
    CLAUDECODE: '1',
  }
  expect(agentEnvironment(host, { environment: ['ANTHROPIC_*'] }, ['DATABASE_URL'])).toEqual({
    PATH: '/bin',
    LC_ALL: 'C',
    ANTHROPIC_API_KEY: 'k',
    DATABASE_URL: 'd',
  })
})

test('secrets are replaced by their names, the longest first; short and path values are no secrets', () => {
  const redact = redactorOf({
    API_KEY: 'abcdefgh',
    API_TOKEN: 'abcdefgh-long',
    MY_KEY: 'short',
    SSH_AUTH_SOCK: '/tmp/agent.sock',
    HOME: '/home/somebody',
  })
  expect(redact('key abcdefgh, token abcdefgh-long, short, /tmp/agent.sock, /home/somebody')).toBe(
    'key [API_KEY], token [API_TOKEN], short, /tmp/agent.sock, /home/somebody',
  )
})
