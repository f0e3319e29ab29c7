import { afterEach, expect, test } from 'vitest'
import { findAgent } from '../../src/agents/store.ts'
import { always, say, shell } from '../../src/certify/llm/script.ts'
import type { Exchange } from '../../src/cli/coordinator-command.ts'
import { runnersOf } from '../../src/os/tree.ts'
import { inProject } from '../rig/project.ts'
import { CLAUDE, type Cli, CODEX } from './cli.ts'
import { account, context, type Fleet, type Mail, openFleet, playOf, times } from './fleet.ts'
import { installed } from './install.ts'
import { of } from './jobs.ts'

let fleet: Fleet
afterEach(() => fleet.close())

async function open(cli: Cli): Promise<void> {
  fleet = await openFleet(cli, await installed(cli.npm))
}

test('a sentence to the coordinator becomes two builders’ work, what becomes of it its mail, and the end its reply; killed, it goes on with its conversation', async () => {
  await open(CLAUDE)
  const builder = (name: string) =>
    shell(`ov sling --capability builder --name ${name} --files ${name}.txt --task "Write ${name}.txt"`)
  fleet.llm.play('coordinator', of('coordinator'), [
    builder('alpha'),
    builder('beta'),
    say('Two builders are at work.'),
    always(say('alpha.txt and beta.txt are merged.')),
  ])
  for (const name of ['alpha', 'beta']) {
    fleet.llm.play(name, of(name), [
      shell(`echo ${name} > ${name}.txt && git add ${name}.txt && git commit -q -m "Write ${name}"`),
      shell(`ov done --summary "Wrote ${name}"`),
      say('Done.'),
    ])
  }
  const built = await fleet.ov('coordinator', 'Build two files', '--wait', '--timeout', '90', '--json')
  expect(built.code, built.output).toBe(0)
  const { context: began, reply }: Exchange = JSON.parse(built.stdout)
  expect(began).toBe('new')
  expect(reply).toMatchObject({ from: 'coordinator', type: 'result', body: 'alpha.txt and beta.txt are merged.' })
  expect(fleet.git('show', 'main:alpha.txt', 'main:beta.txt')).toBe('alpha\nbeta')

  const seen = context(fleet.llm.asked('coordinator').at(-1))
  for (const name of ['alpha', 'beta']) expect(times(seen, `subject="Merged: Write ${name}.txt"`)).toBe(1)
  const [first] = fleet.llm.asked('coordinator')
  expect(first?.tools).toContain('Bash')
  for (const tool of ['Write', 'Edit']) expect(first?.tools).not.toContain(tool)

  await inProject(fleet.home, fleet.repo, async ({ db }) => {
    const agent = await findAgent(db, 'coordinator')
    for (const { pid } of runnersOf(agent?.id ?? '')) process.kill(pid, 'SIGKILL')
  })
  const again = await fleet.json<Exchange>('coordinator', 'ask', 'What was built?', '--timeout', '60')
  expect(again).toMatchObject({ context: 'resumed', reply: { type: 'answer' } })
  const whole = context(fleet.llm.asked('coordinator').at(-1))
  expect(times(whole, 'subject="Build two files"')).toBe(1)
  expect(times(whole, 'subject="What was built?"')).toBe(1)
  expect(fleet.llm.unscripted).toEqual([])
  const { mail } = await fleet.json<{ mail: Mail[] }>('mail', 'list')
  account('claude-coordinator', {
    'What the model saw and did': playOf(fleet.llm.asked('coordinator').at(-1)),
    'ov coordinator status': (await fleet.ov('coordinator', 'status')).output,
    'ov status': (await fleet.ov('status')).output,
    'All mail': mail.map((one) => `${one.from} · ${one.type} · ${one.subject}`).join('\n'),
  })
})

test.each([
  [CLAUDE.title, 'interactive', CLAUDE],
  [CODEX.title, 'no-interactive', CODEX],
  [CODEX.title, 'interactive', CODEX],
])('stopped and started again, %s (--%s) goes on with its conversation', async (_title, mode, cli) => {
  await open(cli)
  fleet.llm.play('coordinator', of('coordinator'), [
    say('I shall mind the login page.'),
    always(say('The login page.')),
  ])
  const started = await fleet.ov('coordinator', 'start', '--runtime', cli.runtime.id, `--${mode}`)
  expect(started.code, started.output).toBe(0)
  const first = await fleet.json<Exchange>('coordinator', 'ask', 'Mind the login page.', '--timeout', '60')
  expect(first.reply?.body).toBe('I shall mind the login page.')
  await fleet.ov('coordinator', 'stop')
  expect((await fleet.ov('coordinator', 'start')).output).toContain('with its whole conversation')
  const second = await fleet.json<Exchange>('coordinator', 'ask', 'What was it?', '--timeout', '60')
  expect(second.reply?.body).toBe('The login page.')
  const seen = context(fleet.llm.asked('coordinator').at(-1))
  for (const text of ['subject="Mind the login page."', 'I shall mind the login page.', 'subject="What was it?"'])
    expect(times(seen, text)).toBe(1)
})
