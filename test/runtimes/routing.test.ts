import { describe, expect, test } from 'vitest'
import { routeFor } from '../../src/runtimes/routing.ts'

const RUNTIMES = ['claude', 'codex', 'gemini', 'shell']

function route({
  models = {},
  capabilities = {},
  role = {},
  flags = {},
}: {
  models?: Record<string, string | Record<string, string>>
  capabilities?: Record<string, string>
  role?: { runtime?: string; model?: string }
  flags?: { runtime?: string; model?: string; command?: string }
}) {
  const runtime = { default: 'claude', capabilities, fallback: [], own: false, sections: {} }
  return routeFor({ models, runtime }, role, RUNTIMES, { capability: 'builder', ...flags })
}

describe('the runtime of an agent', () => {
  test.each([
    ['is the default', {}, 'claude'],
    ['is the role’s before the default', { role: { runtime: 'gemini' } }, 'gemini'],
    ['is what models names, before the role’s', { models: { builder: 'codex' }, role: { runtime: 'gemini' } }, 'codex'],
    [
      'is what runtime.capabilities says, before models',
      { capabilities: { builder: 'gemini' }, models: { builder: 'codex' } },
      'gemini',
    ],
    ['is shell for a command', { capabilities: { builder: 'gemini' }, flags: { command: 'true' } }, 'shell'],
    ['is the flag’s before all', { capabilities: { builder: 'gemini' }, flags: { runtime: 'codex' } }, 'codex'],
  ])('%s', (_title, given, runtime) => {
    expect(route(given).runtime).toBe(runtime)
  })
})

describe('the model of an agent', () => {
  test.each([
    ['is the runtime’s own where nothing is said', {}, null],
    ['is the role’s', { role: { model: 'haiku' } }, 'haiku'],
    ['is that of models before the role’s', { models: { builder: 'opus' }, role: { model: 'haiku' } }, 'opus'],
    ['is the flag’s before all', { models: { builder: 'opus' }, flags: { model: 'sonnet' } }, 'sonnet'],
    [
      'is the runtime’s own where models names a runtime',
      { models: { builder: 'codex' }, role: { model: 'haiku' } },
      null,
    ],
    [
      'stays with the runtime it was configured for: a flag for another drops it',
      { models: { builder: 'opus' }, flags: { runtime: 'codex' } },
      null,
    ],
    [
      'stays when the flag names the runtime that holds anyway',
      { models: { builder: 'opus' }, flags: { runtime: 'claude' } },
      'opus',
    ],
    [
      'of a role stays with the runtime of the role',
      { capabilities: { builder: 'codex' }, role: { model: 'haiku' } },
      null,
    ],
    [
      'is that of models for this very runtime',
      { models: { builder: { claude: 'opus', codex: 'sol' } }, flags: { runtime: 'codex' } },
      'sol',
    ],
    [
      'is that of the role where models has none for this runtime',
      { models: { builder: { codex: 'sol' } }, role: { model: 'haiku' } },
      'haiku',
    ],
    [
      'of models goes with runtime.capabilities',
      { capabilities: { builder: 'codex' }, models: { builder: 'gpt-5' } },
      'gpt-5',
    ],
  ])('%s', (_title, given, model) => {
    expect(route(given).model).toBe(model)
  })
})
