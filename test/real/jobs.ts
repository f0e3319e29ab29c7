import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { held, type Step, say, shell } from '../../src/certify/llm/script.ts'
import type { Cli } from './cli.ts'
import {
  account,
  commandLinesWith,
  context,
  type Fleet,
  filesWith,
  type Mail,
  openFleet,
  pidsOf,
  playOf,
  times,
} from './fleet.ts'
import { installed } from './install.ts'

/** What a test of one CLI alone needs. */
export interface Stage {
  readonly bin: string
  readonly fleet: Fleet
}

/** What every agent CLI must do for `ov`, by one script. Gives the stage of the running test. */
export function certify(cli: Cli): () => Stage {
  let bin = ''
  let fleet: Fleet

  beforeAll(async () => {
    bin = await installed(cli.npm)
  })
  beforeEach(async () => {
    fleet = await openFleet(cli, bin)
  })
  afterEach(() => fleet.close())

  test(`${cli.title} does a whole job: commits by its shell, mail both ways, done, gated, merged and landed`, async () => {
    const working = held(say('The first part is committed.'))
    fleet.llm.play('builder', of('builder-1'), [
      shell(`${PEEK}; pwd; git status --short --branch`),
      commit('hello', 'hello.txt', 'Say hello'),
      shell('ov mail send --to human --subject "Greeting is in" --body "Anything else?"'),
      working,
      commit('world', 'hello.txt', 'Greet the world'),
      shell('ov mail check'),
      shell('npm test && ov done --summary "Greeted everybody"'),
      say('All done.'),
    ])
    const slung = await fleet.sling('--capability', 'builder', '--task', 'Write hello.txt')
    await working.reached
    expect(commandLinesWith(cli.key)).toEqual([])
    const { sent } = await fleet.json<{ sent: { id: string }[] }>(
      ...['mail', 'send', '--to', 'builder-1', '--subject', 'One more thing', '--body', 'Greet the world too.'],
    )
    working.release()
    const { code, outcome } = await slung.exit
    expect(outcome).toMatchObject({ state: 'merged', agent: 'builder-1', attempts: 1 })
    expect(code).toBe(0)

    // The work is on main, and in the human's checkout.
    expect(fleet.git('show', 'main:hello.txt')).toBe('hello\nworld')
    expect(fleet.git('rev-parse', 'main')).toBe(outcome.mergedAs)
    expect(fleet.git('log', '-1', '--format=%(trailers:key=Ov-Runtime,valueonly)', 'main')).toBe(cli.runtime.id)
    expect(fleet.git('status', '--porcelain')).toBe('')

    // Each mail entered the context once.
    const seen = context(fleet.llm.asked('builder').at(-1))
    expect(times(seen, 'Greet the world too.')).toBe(1)
    expect(times(seen, '<ov-mail id=')).toBe(1)
    expect(times(seen, sent[0]?.id ?? '?')).toBe(1)
    const { mail } = await fleet.json<{ mail: Mail[] }>('mail', 'check')
    expect(mail.map((one) => [one.from, one.type, one.subject])).toEqual(
      expect.arrayContaining([
        ['builder-1', 'status', 'Greeting is in'],
        ['builder-1', 'worker_done', 'Done: Greeted everybody'],
      ]),
    )

    // The agent may have seen the key; it is nowhere in the books, once its own folder has gone with it.
    await expect.poll(() => filesWith(`${fleet.repo}/.overstory`, cli.key), POLL).toEqual([])
    expect(fleet.llm.unscripted).toEqual([])
    account(`${cli.runtime.id}-main-job`, {
      'Outcome (ov sling --wait --json)': JSON.stringify(outcome, null, 2),
      'What the model saw and did': playOf(fleet.llm.asked('builder').at(-1)).replaceAll(cli.key, '[the key]'),
      'ov inspect builder-1': (await fleet.ov('inspect', 'builder-1')).output,
      'ov logs builder-1': (await fleet.ov('logs', 'builder-1')).output.replaceAll(cli.key, '!!! the key !!!'),
      "The human's mail": mail.map((one) => `${one.from} · ${one.type} · ${one.subject}\n${one.body}`).join('\n\n'),
      'git log --graph --stat main': fleet.git('log', '--graph', '--stat', '--format=%h %an %s%n%b', 'main'),
    })
  })

  test('a red gate sends the work back, and the same session mends it', async () => {
    fleet.llm.play('builder', of('builder-1'), [
      commit('oops', 'bad', 'Add bad'),
      shell('ov done --summary "Added it"'),
      say('Done.'),
      shell(
        'git rm -q bad && git commit -q -m "Take bad out again" && echo fine > good.txt && git add good.txt && git commit -q -m "Add good"',
      ),
      shell('ov done --summary "Mended"'),
      say('Done again.'),
    ])
    const { code, outcome } = await (await fleet.sling('--task', 'Add something good')).exit
    expect(outcome).toMatchObject({ state: 'merged', attempts: 2 })
    expect(code).toBe(0)
    const seen = context(fleet.llm.asked('builder').at(-1))
    expect(seen).toContain('type="merge_failed"')
    expect(seen).toContain('Add something good')
    expect(fleet.git('ls-tree', '--name-only', 'main').split('\n')).toContain('good.txt')
    expect(fleet.git('ls-tree', '--name-only', 'main').split('\n')).not.toContain('bad')
  })

  test('ov ask --wait holds the agent’s shell until the human answers', async () => {
    fleet.llm.play('builder', of('builder-1'), [
      shell(
        'ov ask "Which colour?" --wait > colour.txt && git add colour.txt && git commit -q -m "Take the colour" && cat colour.txt',
      ),
      shell('ov done --summary "Coloured"'),
      say('Done.'),
    ])
    const slung = await fleet.sling('--task', 'Write the colour into colour.txt')
    const question = await questionFrom(fleet)
    expect(question.subject).toBe('Which colour?')
    await fleet.ov('mail', 'reply', question.id, '--body', 'Dark blue.')
    const { outcome } = await slung.exit
    expect(outcome.state).toBe('merged')
    expect(fleet.git('show', 'main:colour.txt')).toBe('Dark blue.')
  })

  test('a turn that ends without a word is reminded once, then failed', async () => {
    fleet.llm.play('builder', of('builder-1'), [say('I believe that is all.'), say('As I said.')])
    const { code, outcome } = await (await fleet.sling('--task', 'Something')).exit
    expect(code).toBe(1)
    expect(outcome).toMatchObject({ state: 'failed' })
    expect(outcome.reason).toContain('without saying')
    const asked = fleet.llm.asked('builder')
    expect(asked).toHaveLength(2)
    expect(times(context(asked.at(-1)), 'ov fail --reason "why"')).toBe(1)
  })

  test('a lead slings a builder from inside, is woken when it has merged, and ends with its own word', async () => {
    const started = held(shell(`ov sling --capability builder --task "Write deep.txt" --runtime ${cli.runtime.id}`))
    fleet.llm.play('lead', of('lead-1'), [
      started,
      say('I wait for my builder.'),
      say('It is merged soon.'),
      shell('ov done --no-changes --summary "The builder did it"'),
      say('Done.'),
    ])
    fleet.llm.play('builder', of('builder-1'), [
      commit('deep', 'deep.txt', 'Go deep'),
      shell('ov done --summary "Went deep"'),
      say('Done.'),
    ])
    const slung = await fleet.sling('--capability', 'lead', '--task', 'See to it that deep.txt is written')
    await started.reached
    started.release()
    const { outcome } = await slung.exit
    expect(outcome).toMatchObject({ state: 'done', agent: 'lead-1' })
    expect(fleet.git('show', 'main:deep.txt')).toBe('deep')
    const seen = context(fleet.llm.asked('lead').at(-1))
    expect(seen).toContain('from="builder-1" type="worker_done"')
    expect(fleet.llm.asked('builder')[0]?.system).toContain('You report to `lead-1`')
  })

  test('a lead whose builder the human stopped is told so, and the builder leaves no process and loses no commit', async () => {
    const working = held(say('never said'))
    fleet.llm.play('lead', of('lead-1'), [
      shell(`ov sling --capability builder --task "Write deep.txt" --runtime ${cli.runtime.id}`),
      say('I wait for my builder.'),
      shell('ov fail --reason "My builder was stopped"'),
      say('So it ends.'),
    ])
    fleet.llm.play('builder', of('builder-1'), [commit('kept', 'kept.txt', 'Keep me'), working])
    const slung = await fleet.sling('--capability', 'lead', '--task', 'See to it that deep.txt is written')
    await working.reached
    await expect.poll(async () => (await fleet.ov('status')).output, POLL).toContain('waiting on children')
    expect(pidsOf(cli, fleet, 'builder-1')).not.toEqual([])
    expect((await fleet.ov('stop', 'builder-1')).code).toBe(0)
    expect(pidsOf(cli, fleet, 'builder-1')).toEqual([])
    const { outcome } = await slung.exit
    expect(outcome).toMatchObject({ state: 'failed', reason: 'My builder was stopped' })
    expect(context(fleet.llm.asked('lead').at(-1))).toContain('Stopped by the human.')
    expect(fleet.git('log', '-1', '--format=%s', 'refs/heads/ov/run-1/builder-1')).toBe('Keep me')
  })

  test('a lead whose builder ends without more mail is told that its wait is over', async () => {
    const last = held(say('Done.'))
    fleet.llm.play('lead', of('lead-1'), [
      shell(`ov sling --capability builder --task "Look at it" --runtime ${cli.runtime.id}`),
      say('I wait for my builder.'),
      say('It says it is done; I wait until it has ended.'),
      shell('ov done --no-changes --summary "Nothing to do"'),
      say('Done.'),
    ])
    fleet.llm.play('builder', of('builder-1'), [shell('ov done --no-changes --summary "All is well"'), last])
    const slung = await fleet.sling('--capability', 'lead', '--task', 'See to it that all is well')
    await last.reached
    await expect.poll(() => fleet.llm.asked('lead').length, POLL).toBe(3)
    await expect.poll(async () => (await fleet.ov('status')).output, POLL).toContain('waiting on children')
    last.release()
    const { outcome } = await slung.exit
    expect(outcome).toMatchObject({ state: 'done', agent: 'lead-1' })
    expect(times(context(fleet.llm.asked('lead').at(-1)), 'What you waited for is over')).toBe(1)
  })

  return () => ({ bin, fleet })
}

export const commit = (text: string, file: string, message: string): Step =>
  shell(`echo "${text}" >> ${file} && git add ${file} && git commit -q -m "${message}" && git log --oneline | head -1`)

/** Conversations of one agent are known by the name in its instructions. */
export const of = (agent: string) => (ask: { system: string }) => ask.system.includes(`You are \`${agent}\``)

/** How an agent looks for what it was let in by. */
const PEEK = 'env; cat ~/.codex/auth.json $CODEX_HOME/auth.json'

const POLL = { timeout: 60_000, interval: 200 }

/** The question that an agent asked the human. */
async function questionFrom({ json }: Fleet): Promise<Mail> {
  const questions: Mail[] = []
  await expect
    .poll(async () => {
      const { mail } = await json<{ mail: Mail[] }>('mail', 'check')
      return questions.push(...mail.filter((one) => one.type === 'question'))
    }, POLL)
    .toBe(1)
  return questions[0] as Mail
}

/**
 * Slings agents one after the other whose service always fails so, and waits until each is told with that cause. What one
 * meets holds up all of its account, so nothing of it is left for the next.
 */
export async function failEach(
  fleet: Fleet,
  failures: Readonly<Record<string, Step>>,
  sling: readonly string[],
  look: (agent: string) => Promise<void> = async () => undefined,
): Promise<void> {
  for (const [cause, step] of Object.entries(failures)) {
    const name = `of-${cause.replace('_', '-')}`
    fleet.llm.play(name, of(name), [step])
    await fleet.ov('sling', ...sling, '--name', name, '--task', cause)
    await expect.poll(async () => (await fleet.ov('inspect', name)).output, POLL).toContain(`cause=${cause}`)
    await look(name)
    await fleet.ov('stop', name)
    await fleet.ov('limits', 'clear')
  }
}
