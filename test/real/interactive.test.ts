import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { held, say, shell } from '../../src/certify/llm/script.ts'
import { run } from '../../src/os/process.ts'
import { CLAUDE, CODEX } from './cli.ts'
import { account, context, type Fleet, openFleet, times } from './fleet.ts'
import { installed } from './install.ts'
import { commit, of } from './jobs.ts'

describe.each([CLAUDE, CODEX])('$title', (cli) => {
  let bin = ''
  let fleet: Fleet

  beforeAll(async () => {
    bin = await installed(cli.npm)
  })
  beforeEach(async () => {
    fleet = await openFleet(cli, bin)
  })
  afterEach(() => fleet.close())

  test('does a whole job on its own screen: task, commit, mail by paste, second commit, done, merged', async () => {
    const first = held(commit('hello', 'hello.txt', 'Say hello'))
    const last = held(say('All done.'))
    fleet.llm.play('builder', of('builder-1'), [
      first,
      shell('ov ask "What else?"'),
      say('I wait for an answer.'),
      commit('world', 'hello.txt', 'Greet the world'),
      shell('npm test && ov done --summary "Greeted everybody"'),
      last,
    ])
    const slung = await fleet.sling('--interactive', '--capability', 'builder', '--task', 'Write hello.txt')
    await first.reached
    const screens: Record<string, string> = { 'in its first turn': await screenOf(fleet, 'builder-1') }
    first.release()
    await expect.poll(async () => (await fleet.ov('status')).output, { interval: 500 }).toContain('What else?')
    await expect.poll(() => screenOf(fleet, 'builder-1'), { interval: 200 }).toContain('I wait for an answer.')
    screens['idle, waiting for mail'] = await screenOf(fleet, 'builder-1')
    await fleet.ov('mail', 'send', '--to', 'builder-1', '--subject', 'One more thing', '--body', 'Greet the world too;')
    await last.reached
    screens['in its second turn'] = await screenOf(fleet, 'builder-1')
    screens['ov status'] = (await fleet.ov('status')).output
    last.release()
    const { outcome } = await slung.exit
    expect(outcome).toMatchObject({ state: 'merged' })
    expect(fleet.git('show', 'main:hello.txt')).toBe('hello\nworld')
    // Its tokens stand in its transcript alone.
    const { agents } = await fleet.json<{ agents: { usage: { input: number | null } }[] }>('status')
    expect(agents[0]?.usage.input).toBeGreaterThan(0)
    const logs = await fleet.ov('logs', 'builder-1')
    expect(logs.output).toContain('I wait for an answer.')
    screens['ov logs builder-1'] = logs.output
    screens['ov logs builder-1 --events'] = (await fleet.ov('logs', 'builder-1', '--events')).output
    account(`${cli.runtime.id}-interactive`, screens)
  })

  test('is typed a task of 200 KB with control characters as text, and is not typed into while a person writes', async () => {
    const last = held(say('All done.'))
    fleet.llm.play('builder', of('builder-1'), [
      shell('ov ask "Is that all?"'),
      say('I wait for an answer.'),
      commit('hello', 'hello.txt', 'Say hello'),
      shell('ov done --summary "Read it all"'),
      last,
    ])
    const lines = Array.from(
      { length: 3_000 },
      (_, at) => `${at} wörds 🚀 of a \`long\` $(touch pwned) task, line ${at};`,
    )
    const task = ['/compact !ls # note', 'a\x1b[201~b\x03\x04\x1b[31mc\r', ...lines, 'ends with a semicolon;'].join(
      '\n',
    )
    writeFileSync(join(fleet.home.path, 'task.md'), task)
    const slung = await fleet.sling('--interactive', '--task-file', join(fleet.home.path, 'task.md'))
    await expect
      .poll(() => screenOf(fleet, 'builder-1'), { timeout: 90_000, interval: 500 })
      .toContain('I wait for an answer.')
    await keys(fleet, 'wait, I am')
    await expect.poll(() => screenOf(fleet, 'builder-1'), { interval: 200 }).toContain('wait, I am')
    await fleet.ov('mail', 'send', '--to', 'builder-1', '--subject', 'That is all', '--body', 'Go on.')
    const status = async () => (await fleet.ov('status')).output
    await expect.poll(status, { interval: 500 }).toContain('Something is typed on its screen')
    const screens = { 'a person is typing': await screenOf(fleet, 'builder-1'), 'ov status': await status() }
    await keys(fleet, 'C-u')
    await last.reached
    last.release()
    const { outcome } = await slung.exit
    expect(outcome).toMatchObject({ state: 'merged' })
    const seen = context(fleet.llm.asked('builder').at(-1))
    expect(times(seen, lines.join('\n'))).toBe(1)
    expect(times(seen, '/compact !ls # note\nabc\n')).toBe(1)
    expect(times(seen, 'ends with a semicolon;')).toBe(1)
    expect(times(seen, 'Go on.')).toBe(1)
    expect(seen).not.toContain('wait, I am')
    account(`${cli.runtime.id}-interactive-typing`, screens)
  })
})

/** tmux, on the fleet's own server; empty as long as there is none. */
async function tmux(fleet: Fleet, ...args: string[]): Promise<string> {
  const folder = join(fleet.home.env.XDG_RUNTIME_DIR ?? '', `ov-${process.getuid?.() ?? 0}`)
  const [project] = existsSync(folder) ? readdirSync(folder) : []
  if (project === undefined) return ''
  return (await run(['tmux', '-S', join(folder, project, 'tmux.sock'), ...args])).stdout
}

/** What the agent's pane shows, as text. */
function screenOf(fleet: Fleet, agent: string): Promise<string> {
  return tmux(fleet, 'capture-pane', '-p', '-t', `=${agent}:`)
}

/** Keys as a person presses them on the builder's screen. */
function keys(fleet: Fleet, ...names: string[]): Promise<string> {
  return tmux(fleet, 'send-keys', '-t', '=builder-1:', ...names)
}
