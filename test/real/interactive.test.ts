import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { run } from '../../src/os/process.ts'
import { held, say, shell } from '../rig/llm/script.ts'
import { CLAUDE, CODEX } from './cli.ts'
import { account, type Fleet, openFleet } from './fleet.ts'
import { installed } from './install.ts'
import { commit, of } from './jobs.ts'

describe.each([CLAUDE, CODEX])('$title', (cli) => {
  let bin = ''
  let fleet: Fleet

  beforeAll(async () => {
    bin = await installed(cli.npm.name, cli.npm.version, cli.npm.program)
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
    await expect
      .poll(async () => (await fleet.ov('status')).output, { timeout: 60_000, interval: 500 })
      .toContain('What else?')
    await expect
      .poll(() => screenOf(fleet, 'builder-1'), { timeout: 20_000, interval: 200 })
      .toContain('I wait for an answer.')
    screens['idle, waiting for mail'] = await screenOf(fleet, 'builder-1')
    await fleet.ov('mail', 'send', '--to', 'builder-1', '--subject', 'One more thing', '--body', 'Greet the world too;')
    await last.reached
    screens['in its second turn'] = await screenOf(fleet, 'builder-1')
    screens['ov status'] = (await fleet.ov('status')).output
    last.release()
    const { outcome } = await slung.exit
    expect(outcome).toMatchObject({ state: 'merged' })
    expect(fleet.git('show', 'main:hello.txt')).toBe('hello\nworld')
    account(`${cli.runtime}-interactive`, screens)
  })
})

/** What the agent's pane shows, as text. */
async function screenOf(fleet: Fleet, agent: string): Promise<string> {
  const folder = join(fleet.home.env.XDG_RUNTIME_DIR ?? '', `ov-${process.getuid?.() ?? 0}`)
  const socket = join(folder, readdirSync(folder)[0] ?? '', 'tmux.sock')
  const { stdout } = await run(['tmux', '-S', socket, 'capture-pane', '-p', '-t', `=${agent}:`])
  return stdout
}
