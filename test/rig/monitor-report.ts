import type { MailHead } from '../../src/mail/view.ts'
import type { MonitoredAgent, MonitoredEvent, MonitoredMerge, MonitorReport } from '../../src/monitor/report.ts'
import { attention } from '../../src/reports/problems.ts'

export const NOW = Date.UTC(2026, 0, 1, 12)
const MINUTE = 60_000

/** An agent as the monitor sees it, at work for four minutes. */
export function monitored(name: string, more: Partial<MonitoredAgent> = {}): MonitoredAgent {
  const condition = more.condition ?? 'working'
  const ended = ['done', 'failed', 'stopped'].includes(condition)
  return {
    id: `id-of-${name}`,
    name,
    capability: 'builder',
    runtime: 'claude',
    protection: 'guarded',
    mode: 'structured',
    persistent: false,
    model: null,
    run: 'run-3',
    parent: null,
    depth: 0,
    condition,
    state: condition === 'runner_gone' || condition === 'ending' ? 'working' : condition,
    since: NOW - 4 * MINUTE,
    waitingOn: null,
    waitingUntil: null,
    reason: null,
    runner: ended || condition === 'queued' ? null : { seen: 'alive', pid: 4711 },
    lastOutput: NOW - 3_000,
    task: { id: `task-of-${name}`, title: `Task of ${name}`, state: 'running', attempts: 1, mergedAs: null },
    branch: { name: `ov/run-3/${name}`, head: 'a'.repeat(40), unmerged: 2 },
    usage: { input: 12_345, output: 678, costUsd: 0.42 },
    createdAt: NOW - 10 * MINUTE,
    endedAt: ended ? NOW - 4 * MINUTE : null,
    doing: '',
    decision: null,
    tool: null,
    lastWords: null,
    ...more,
  }
}

function titled(name: string, title: string): Pick<MonitoredAgent, 'task'> {
  return { task: { ...monitored(name).task, title } }
}

/** Ten agents in every state there is, with letters that are hard to draw. */
export const TEN: readonly MonitoredAgent[] = [
  monitored('coordinator', {
    capability: 'coordinator',
    persistent: true,
    condition: 'waiting',
    waitingOn: 'children',
    doing: 'lead-auth',
    ...titled('coordinator', 'Speak with the human and run the fleet'),
  }),
  monitored('lead-auth', {
    capability: 'lead',
    parent: 'coordinator',
    condition: 'waiting',
    waitingOn: 'children',
    doing: 'auth-api, auth-form',
    ...titled('lead-auth', 'Build sign-in: sessions, passwords, rate limits'),
  }),
  monitored('auth-api', {
    parent: 'lead-auth',
    doing: 'Bash npm test -- sessions',
    lastWords: 'The tests of sessions are next.',
    ...titled('auth-api', 'Sessions: create, renew and revoke'),
  }),
  monitored('auth-form', {
    parent: 'lead-auth',
    condition: 'waiting',
    waitingOn: 'human',
    since: NOW - 9_000,
    doing: 'Shall sign-in remember a device for 30 or for 90 days?',
    ...titled('auth-form', '登录表单 with 🚀 and 👩‍💻 and 🇩🇪, accessible'),
  }),
  monitored('scout-deps', {
    capability: 'scout',
    runner: { seen: 'unknown', pid: 12 },
    usage: { input: null, output: null, costUsd: null },
    lastWords: 'tab\there, \u001b[31mred\u001b[0m, bell\u0007',
  }),
  monitored('cart-tax', { condition: 'failed', reason: 'The command ended with exit code 1.\nmore' }),
  monitored('docs-api', { condition: 'waiting', waitingOn: 'merge', doing: 'gate tests' }),
  monitored('images', { condition: 'runner_gone', doing: 'nobody looks after it' }),
  monitored('i18n', { condition: 'queued', doing: 'next for a place', lastOutput: null }),
  monitored('search', {
    condition: 'done',
    doing: '30301669',
    task: { ...monitored('search').task, state: 'merged', mergedAs: '3'.repeat(40), attempts: 2 },
  }),
]

const MERGES: readonly MonitoredMerge[] = [
  {
    id: 'm1',
    agent: 'docs-api',
    task: 'Document the API',
    branch: 'ov/run-3/docs-api',
    commit: 'b'.repeat(40),
    state: 'merging',
    since: NOW - 20_000,
    mergedAs: null,
    reason: null,
    gates: [
      { name: 'lint', is: 'passed' },
      { name: 'tests', is: 'running' },
      { name: 'build', is: 'pending' },
    ],
  },
  {
    id: 'm2',
    agent: 'cart-tax',
    task: 'Cart: tax',
    branch: 'ov/run-3/cart-tax',
    commit: 'c'.repeat(40),
    state: 'rejected',
    since: NOW - 5 * MINUTE,
    mergedAs: null,
    reason: 'The gate tests is red.\nFAIL test/tax.test.ts\n1 failed',
    gates: [
      { name: 'lint', is: 'passed' },
      { name: 'tests', is: 'red' },
    ],
  },
]

const MAILS: readonly MailHead[] = [
  mail('q1', 'auth-form', 'human', 'question', 'Shall sign-in remember a device for 30 or for 90 days?'),
  mail('d1', 'human', 'lead-auth', 'dispatch', 'Build sign-in: sessions, passwords, rate limits'),
]

function mail(id: string, from: string, to: string, type: MailHead['type'], subject: string): MailHead {
  return {
    id,
    thread: id,
    replyTo: null,
    from,
    to,
    type,
    priority: type === 'question' ? 'high' : 'normal',
    subject,
    at: NOW - 9_000,
    state: to === 'human' ? 'unread' : 'delivered',
    deliveredAt: to === 'human' ? null : NOW - 8_000,
  }
}

const EVENTS: readonly MonitoredEvent[] = Array.from({ length: 40 }, (_, index) => ({
  id: index + 1,
  at: NOW - (40 - index) * 1000,
  agent: index % 3 === 0 ? null : (TEN[index % TEN.length]?.name ?? null),
  type: index % 5 === 0 ? 'merge.gate' : 'tool.start',
  line: index % 5 === 0 ? 'merge.gate gate=tests' : `tool.start tool=Bash summary=step ${index}`,
}))

/** What the monitor shows of a fleet. */
export function monitorReport(
  agents: readonly MonitoredAgent[] = TEN,
  more: Partial<MonitorReport> = {},
): MonitorReport {
  const questions = [{ id: 'q1', from: 'auth-form', subject: 'Shall sign-in remember a device for 30 or for 90 days?' }]
  return {
    at: NOW,
    project: { name: 'shop', root: '/home/me/shop' },
    branch: 'main',
    run: { id: 'r', name: 'run-3', createdAt: NOW - 125 * MINUTE, endedAt: null },
    mode: { level: 'full', by: 'ov', why: '', since: null, until: null, places: 5, holds: null },
    problems: attention({
      agents,
      maxConcurrent: 10,
      merges: 0,
      questions: questions.map(({ id, from, subject }) => ({
        id,
        kind: 'question' as const,
        agent: from,
        subject,
        options: [],
      })),
      unread: 1,
      landing: null,
      noLanding: null,
      limits: [],
      left: [],
      at: NOW,
    }),
    limits: [],
    agents,
    questions,
    merges: MERGES,
    mails: MAILS,
    events: EVENTS,
    landing: null,
    mail: { unread: 1, questions: 1 },
    spent: { tokens: 117_207, costUsd: 3.78 },
    ...more,
  }
}
