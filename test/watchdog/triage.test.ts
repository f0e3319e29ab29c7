import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Agent, findAgent, openAgents, ownerOf, takeOver } from '../../src/agents/store.ts'
import { claimLease, type Lease, releaseLease } from '../../src/db/lease.ts'
import { write } from '../../src/db/open.ts'
import { eventsBeyond, recordEvent } from '../../src/events/store.ts'
import { findMail } from '../../src/mail/store.ts'
import { fileState } from '../../src/os/files.ts'
import { liveness, ownIdentity } from '../../src/os/process.ts'
import { openProject, type Project } from '../../src/project.ts'
import { getTask } from '../../src/tasks/store.ts'
import { triage } from '../../src/watchdog/triage.ts'
import type { Trouble } from '../../src/watchdog/trouble.ts'
import { type Judging, judgingClaude } from '../rig/judging-claude.ts'
import { inHome } from '../rig/project.ts'
import { type Home, makeHome, readyRepo } from '../rig/sandbox-home.ts'

const TOOL = JSON.stringify({
  type: 'assistant',
  message: { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'Bash', input: { command: 'make' } }] },
})

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

/** A project with an agent, `mute`, that works and shows nothing, and the right to look after it. */
interface Yard {
  readonly project: Project
  readonly judge: Judging
  readonly lease: Lease
  mute(): Promise<Agent>
  /** Raises one, as the mechanical tier does. */
  trouble(more?: Partial<Pick<Trouble, 'about'>>): Promise<Trouble>
  /** What was recorded of these kinds, oldest first. */
  happened(...types: string[]): Promise<Record<string, unknown>[]>
}

async function inYard(
  { answer, config = '', doing = '' }: { answer: string; config?: string; doing?: string },
  work: (yard: Yard) => Promise<void>,
): Promise<void> {
  const repo = await readyRepo(home, config)
  const judge = judgingClaude(home, answer, doing)
  const slung = await home.ov(repo, ['sling', '--name', 'mute', '--task', 'Say nothing'], { env: judge.env })
  expect(slung.code, slung.output).toBe(0)
  await inHome(
    home,
    async () => {
      const project = await openProject(repo)
      try {
        const { db } = project
        const happened: Yard['happened'] = async (...types) => {
          const events = await eventsBeyond(db, 0, 10_000)
          return events.filter(({ type }) => types.includes(type)).map(({ data_json }) => JSON.parse(data_json))
        }
        const mute = async () => {
          const agent = await findAgent(db, 'mute')
          if (!agent) throw new Error('no agent')
          return agent
        }
        await expect.poll(judge.heard).toContain('Say nothing')
        await expect.poll(() => happened('runtime.started')).toHaveLength(1)
        const lease = await write(db, (tx) => claimLease(tx, 'watch', ownIdentity(), project.clock, 600_000))
        if (lease === null) throw new Error('somebody watches')
        await work({
          project,
          judge,
          lease,
          mute,
          async trouble({ about = 'silence' } = {}) {
            const { id, fence, run_id: runId, task_id: taskId } = await mute()
            const seen = 'It has shown nothing for 6 minutes.'
            const data = { about, ms: 360_000, seen, tried: ['It was nudged.'] } as const
            const facts = { at: project.clock.now(), runId, agentId: id, taskId }
            const logSize = fileState(join(project.stateDir, 'logs', id, 'output.ndjson'))?.size ?? 0
            const nudged = { about, nth: 1, silentMs: 120_000, tool: false, logSize }
            await recordEvent(db, { ...facts, type: 'agent.nudged', data: nudged })
            await recordEvent(db, { ...facts, type: 'agent.raised', data })
            return { agent: id, fence, ...data }
          },
          happened,
        })
      } finally {
        await project.close()
      }
    },
    judge.env,
  )
}

/** A folder for PATH with a CLI of this name that reads and says nothing. */
function fakeCli(home: Home, name: string): string {
  const bin = mkdtempSync(join(home.path, 'bin-'))
  writeFileSync(join(bin, name), '#!/bin/sh\ncat > /dev/null\n', { mode: 0o755 })
  return bin
}

const says = (verdict: object) => `echo 'Well: ${JSON.stringify({ why: 'I think so.', ...verdict })}'`
const toHuman = async ({ project }: Yard) =>
  (await findMail(project.db, { reader: 'human' }, 10)).filter(({ type }) => type === 'escalation')

test('a verdict to wait moves the deadline; while nothing changes it holds, and nobody is asked twice', () =>
  inYard({ answer: says({ verdict: 'wait', minutes: 7 }) }, async (yard) => {
    const { project, lease, judge, happened } = yard
    await triage(project, lease, await yard.trouble())
    expect(await happened('agent.triaged')).toMatchObject([
      { about: 'silence', verdict: 'wait', waitMs: 420_000, by: 'claude haiku', why: 'I think so.' },
    ])
    expect(judge.asked()).toMatch(/It has shown nothing for 6 minutes[\s\S]*<ov-data name="task">\nSay nothing/)
    await triage(project, lease, await yard.trouble())
    expect(await happened('agent.triaged')).toMatchObject([{}, { verdict: 'wait', by: 'the same facts as before' }])
    expect(judge.times()).toBe(1)
    expect(await happened('triage.asked')).toHaveLength(1)
    expect(await toHuman(yard)).toEqual([])
  }))

test('advice reaches the agent in the middle of its turn', () =>
  inYard(
    { answer: says({ verdict: 'nudge', text: 'Kill the dev server.' }) },
    async ({ project, lease, judge, ...yard }) => {
      await triage(project, lease, await yard.trouble())
      await expect.poll(judge.heard).toContain('Kill the dev server.')
      expect(await yard.happened('agent.triaged')).toMatchObject([{ verdict: 'nudge' }])
    },
  ))

test.each([
  ['says that a person must decide', says({ verdict: 'ask-human', question: 'Which port?' }), /Which port\?/],
  ['answers garbage', 'echo "I would rather kill it."', /no answer of the wanted shape/],
  ['answers nothing at all', 'exit 0', /gave no answer/],
  ['takes too long', 'sleep 100', /no answer within 2 s/],
  ['fails', 'echo Overloaded >&2; exit 1', /could not answer/],
])('where the model %s, a person is asked, once', (_, answer, why) =>
  inYard({ answer, config: 'watchdog: { tier1: { timeout: 2s } }\n' }, async (yard) => {
    const { project, lease, happened } = yard
    await triage(project, lease, await yard.trouble())
    await triage(project, lease, await yard.trouble())
    const mails = await toHuman(yard)
    expect(mails.map(({ body }) => body)).toEqual([expect.stringMatching(why)])
    expect(await happened('agent.triaged')).toMatchObject([{ verdict: 'ask-human' }, { verdict: 'ask-human' }])
    expect((await yard.mute()).state).toBe('working')
  }),
)

test.each([
  ['where triage is off', 'enabled: false', /Triage is off/],
  ['over its budget', 'perHour: 0', /limit/],
  ['where its runtime is not there', 'runtime: codex', /No model can be asked/],
])('%s nobody is asked but a person', (_, tier1, why) =>
  inYard(
    { answer: says({ verdict: 'wait', minutes: 7 }), config: `watchdog: { tier1: { ${tier1} } }\n` },
    async (yard) => {
      await triage(yard.project, yard.lease, await yard.trouble())
      expect((await toHuman(yard)).map(({ body }) => body)).toEqual([expect.stringMatching(why)])
      expect(yard.judge.times()).toBe(0)
    },
  ),
)

test('who hangs for certain is ended and goes on where it was', () =>
  inYard({ answer: says({ verdict: 'resume' }) }, async ({ project, lease, judge, ...yard }) => {
    const before = await yard.mute()
    const runner = ownerOf(before)
    await triage(project, lease, await yard.trouble())
    expect(runner === null || liveness(runner)).toBe('gone')
    expect(await yard.happened('agent.recovered')).toMatchObject([{ why: 'it hung' }])
    await expect.poll(async () => (await yard.mute()).state).toBe('working')
    await expect.poll(judge.heard).toContain('cut off in the middle of a turn')
    expect((await yard.mute()).id).toBe(before.id)
    expect(await toHuman({ project, lease, judge, ...yard })).toEqual([])
  }))

test('who begins anew has what it was told, and its task', () =>
  inYard({ answer: says({ verdict: 'restart-fresh', digest: 'Port 80 is taken.' }) }, async (yard) => {
    await triage(yard.project, yard.lease, await yard.trouble({ about: 'loop' }))
    await expect.poll(yard.judge.heard).toContain('Port 80 is taken.')
    expect(yard.judge.heard()).toContain('Your earlier conversation is lost')
    expect(await yard.happened('agent.recovered')).toMatchObject([{ context: 'digest' }])
  }))

test('who is given up fails with the reason, and whom it reports to is told', () =>
  inYard({ answer: says({ verdict: 'give-up', reason: 'There is no such API.' }) }, async (yard) => {
    const { project } = yard
    await triage(project, yard.lease, await yard.trouble())
    const agent = await yard.mute()
    expect([agent.state, agent.reason]).toEqual(['failed', 'There is no such API.'])
    expect((await getTask(project.db, agent.task_id))?.state).toBe('failed')
    const mails = await findMail(project.db, { reader: 'human' }, 10)
    expect(mails.map(({ type, body }) => [type, body])).toEqual([['worker_died', 'There is no such API.']])
  }))

test('a task is given to another runtime with its commits, and only to one that can take it', () =>
  inYard({ answer: says({ verdict: 'reassign', runtime: 'codex' }) }, async (yard) => {
    const { project, lease } = yard
    await triage(project, lease, await yard.trouble())
    expect(await toHuman(yard)).toMatchObject([{ body: expect.stringContaining("codex can't take its task now") }])
    expect((await yard.mute()).runtime).toBe('claude')
    process.env.PATH = `${fakeCli(home, 'codex')}:${process.env.PATH}`
    mkdirSync(join(home.env.HOME ?? '', '.codex'))
    writeFileSync(join(home.env.HOME ?? '', '.codex', 'auth.json'), '{}')
    yard.judge.answers(says({ verdict: 'reassign', runtime: 'codex', now: true }))
    await triage(project, lease, await yard.trouble({ about: 'loop' }))
    const agent = await yard.mute()
    expect([agent.runtime, agent.session, agent.model]).toEqual(['codex', null, null])
    // How often it was started again begins anew, as whenever another runtime has the task.
    expect(await yard.happened('agent.recovered')).toEqual([])
    const why = 'its task is given to another runtime'
    expect(await yard.happened('agent.reassigned')).toMatchObject([{ why, from: 'claude', to: 'codex' }])
  }))

test.each([
  ['works on a tool', {}, `echo '${TOOL}'`, /A tool of its runs/],
  ['computes', {}, 'while :; do :; done &', /use the processor/],
  ['waits at a question', { about: 'dialog' as const }, '', /only a person/],
])('who %s is not ended by a model’s word: a person is asked', (_, more, doing, why) =>
  inYard({ answer: says({ verdict: 'give-up', reason: 'Dead.' }), doing }, async (yard) => {
    if (doing.startsWith('echo')) await expect.poll(() => yard.happened('tool.start')).toHaveLength(1)
    await triage(yard.project, yard.lease, await yard.trouble(more))
    expect(await toHuman(yard)).toMatchObject([{ body: expect.stringMatching(why) }])
    expect(await yard.happened('agent.triaged')).toMatchObject([
      { verdict: 'ask-human', objection: expect.stringMatching(why) },
    ])
    expect((await yard.mute()).state).toBe('working')
  }),
)

test('at most so many questions are asked at the same time, and each agent is asked about once at a time', () => {
  const ends = join(home.path, 'ends')
  const answer = `echo begin >> '${ends}'; sleep 0.4; echo end >> '${ends}'; ${says({ verdict: 'wait', minutes: 5 })}`
  return inYard({ answer, config: 'watchdog: { tier1: { atOnce: 1 } }\n' }, async ({ project, lease, ...yard }) => {
    const trouble = await yard.trouble()
    const { id } = await yard.mute()
    for (const name of ['second', 'third']) {
      const slung = await home.ov(project.root, ['sling', '--name', name, '--task', name], { env: yard.judge.env })
      expect(slung.code, slung.output).toBe(0)
    }
    const others = (await openAgents(project.db)).filter((agent) => agent.id !== id)
    const all = [trouble, trouble, ...others.map((agent) => ({ ...trouble, agent: agent.id, fence: agent.fence }))]
    await expect
      .poll(async () => (await openAgents(project.db)).map(({ state }) => state))
      .toEqual(['working', 'working', 'working'])
    const fenced = new Map((await openAgents(project.db)).map((agent) => [agent.id, agent.fence]))
    await Promise.all(all.map((one) => triage(project, lease, { ...one, fence: fenced.get(one.agent) ?? one.fence })))
    expect(readFileSync(ends, 'utf8')).toBe('begin\nend\n'.repeat(3))
    expect(await yard.happened('agent.triaged')).toHaveLength(3)
  })
})

test('a verdict that comes too late does nothing: another owner, or another watcher, has come meanwhile', () =>
  inYard({ answer: says({ verdict: 'nudge', text: 'Too late.' }) }, async ({ project, lease, judge, ...yard }) => {
    const trouble = await yard.trouble()
    await write(project.db, (tx) => releaseLease(tx, lease))
    await triage(project, lease, trouble)
    expect(judge.times()).toBe(1)
    const next = await write(project.db, (tx) => claimLease(tx, 'watch', ownIdentity(), project.clock, 600_000))
    if (next === null) throw new Error('somebody watches')
    judge.answers(
      `while [ ! -e '${home.path}/go' ]; do sleep 0.05; done\n${says({ verdict: 'nudge', text: 'Too late.' })}`,
    )
    const asked = triage(project, next, { ...trouble, about: 'loop' })
    await expect.poll(judge.times).toBe(2)
    const agent = await yard.mute()
    const taken = await write(project.db, (tx) =>
      takeOver(tx, agent, ['working'], ownIdentity(), 'working', project.clock.now()),
    )
    expect(taken?.fence).toBe(agent.fence + 1)
    writeFileSync(join(home.path, 'go'), '')
    await asked
    await triage(project, next, trouble)
    expect(judge.times()).toBe(2)
    expect(await yard.happened('agent.triaged')).toEqual([])
    expect(judge.heard()).not.toContain('Too late.')
  }))
