import { expect, test } from 'vitest'
import type { LimitReport } from '../../src/limits/report.ts'
import { attention, type ProblemFacts } from '../../src/reports/problems.ts'
import { monitored, NOW } from '../rig/monitor-report.ts'

const facts = (more: Partial<ProblemFacts> = {}): ProblemFacts => ({
  agents: [],
  maxConcurrent: 3,
  merges: 0,
  questions: [],
  unread: 0,
  landing: null,
  limits: [],
  left: [],
  at: NOW,
  noLanding: null,
  ...more,
})

const asks = (agent: string, kind: ProblemFacts['questions'][number]['kind'] = 'question') => ({
  id: `0190aaaa-bbbb-7ccc-8ddd-eeeeffff0001`,
  kind,
  agent,
  subject: `${agent} wants to know`,
  options: [],
})

const limit = (more: Partial<LimitReport>): LimitReport => ({
  provider: 'anthropic',
  account: 'a',
  runtime: 'claude',
  cause: 'auth',
  until: null,
  estimated: false,
  since: NOW,
  setbacks: 0,
  said: '',
  probe: null,
  waiting: [],
  ...more,
})

const kinds = (more: Partial<ProblemFacts>) => attention(facts(more)).map(({ kind, agent }) => `${kind} ${agent ?? ''}`)

const lead = monitored('lead-1', { condition: 'waiting', waitingOn: 'children', capability: 'lead' })
const deep = monitored('deep', { parent: 'lead-1', condition: 'waiting', waitingOn: 'human' })
const alone = monitored('alone', { condition: 'waiting', waitingOn: 'human' })
const lost = monitored('lost', { condition: 'runner_gone' })
const next = monitored('next', { condition: 'queued' })
const failed = monitored('failed-1', { condition: 'failed', reason: 'Gate red' })

test('what holds up most comes first: a whole branch of the fleet before one agent, one agent before what has ended', () => {
  const agents = [lost, alone, lead, deep, failed]
  const questions = [asks('alone'), asks('deep')]
  expect(kinds({ agents, questions, unread: 2, maxConcurrent: 10 })).toEqual([
    'question deep',
    'runner_gone lost',
    'question alone',
    'failed failed-1',
    'mail ',
  ])
  const [first] = attention(facts({ agents, questions, maxConcurrent: 10 }))
  expect(first?.blocks).toEqual({ agents: ['deep', 'lead-1'], tasks: 0, merges: 0 })
  expect(first?.message).toBe('deep asks: deep wants to know (lead-1 waits for it)')
})

test('who holds a place that queued tasks need holds them up; who needs none does not', () => {
  const coordinator = monitored('coordinator', { condition: 'waiting', waitingOn: 'human', persistent: true })
  const agents = [coordinator, alone, lead, deep, next, monitored('next-2', { condition: 'queued' })]
  const blocks = attention(facts({ agents, questions: [asks('alone'), asks('coordinator')] })).map(
    ({ agent, blocks: { tasks } }) => [agent, tasks],
  )
  expect(blocks).toEqual([
    ['deep', 2],
    ['alone', 2],
    ['coordinator', 0],
  ])
})

test('where nothing can be merged everybody at work counts; a login to be mended comes by who waits, a limit that ends by itself last', () => {
  const merging = monitored('merging', { condition: 'waiting', waitingOn: 'merge' })
  const landing = {
    branch: 'main',
    commits: 0,
    checkout: null,
    changedFiles: 0,
    diverged: false,
    blocked: { why: 'main is red', hint: 'mend it' },
  } as unknown as ProblemFacts['landing']
  const waiting = ['x', 'y', 'z']
  expect(
    kinds({
      agents: [merging, alone, lead, deep],
      merges: 1,
      maxConcurrent: 10,
      landing,
      questions: [asks('alone', 'escalation'), asks('deep')],
      limits: [limit({ waiting }), limit({ provider: 'openai', cause: 'rate_limit', until: NOW + 60_000, waiting })],
    }),
  ).toEqual(['train ', 'limit ', 'question deep', 'escalation alone', 'limit ', 'landing '])
})
