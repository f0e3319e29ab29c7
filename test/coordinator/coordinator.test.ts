import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ownerOf, persistentAgent } from '../../src/agents/store.ts'
import type { Exchange } from '../../src/cli/coordinator-command.ts'
import type { CoordinatorReport } from '../../src/coordinator/coordinator.ts'
import type { MailHead } from '../../src/mail/view.ts'
import { runnersOf } from '../../src/os/tree.ts'
import type { AgentReport } from '../../src/reports/report.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { git, type Home, makeHome } from '../rig/sandbox-home.ts'
import { type Talking, talkingClaude } from '../rig/talking-claude.ts'

/*
 * The coordinator from outside, with a FAKE `claude` that talks (test/rig/talking-claude.ts). What the real one does with
 * it is in test/real.
 */

let home: Home
let fleet: Fleet
let claude: Talking
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

/** A fleet whose agents run on a claude with this brain. */
async function open(brain: string, config = ''): Promise<void> {
  claude = talkingClaude(home, brain)
  fleet = await makeFleet(home, { config: `runtime: { default: claude }\n${config}` })
}

const ov = (...args: string[]) => home.ov(fleet.repo, args, { env: claude.env })

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, output } = await ov(...args, '--json')
  expect(code, output).toBe(0)
  return JSON.parse(stdout)
}

async function coordinator() {
  const agent = await persistentAgent(fleet.db, 'coordinator')
  if (!agent) throw new Error('no coordinator')
  return agent
}

const mailOf = async (...filter: string[]) => (await json<{ mail: MailHead[] }>('mail', 'list', ...filter)).mail
const prompts = () => claude.heard().map(({ prompt }) => prompt)
const sessions = () => [...new Set(claude.heard().map(({ session }) => session))]
const times = (text: string, part: string) => text.split(part).length - 1

async function expectWaiting(on: 'mail' | 'children' | 'human' = 'mail'): Promise<void> {
  await expect
    .poll(async () => [(await coordinator()).state, (await coordinator()).waiting_on])
    .toEqual(['waiting', on])
}

/** Kills the coordinator's runner as nothing can be warned of. */
async function killRunner(): Promise<void> {
  const { id } = await coordinator()
  for (const { pid } of runnersOf(id)) process.kill(pid, 'SIGKILL')
  await expect.poll(() => runnersOf(id)).toEqual([])
}

const ECHO = 'cat > /dev/null; echo Fine.'

test('however many start it at once, a project has one coordinator; a later start says that it runs', async () => {
  await open(ECHO)
  const starts = await Promise.all(
    [1, 2, 3, 4].map(() => json<{ id: string; context: string }>('coordinator', 'start')),
  )
  expect(new Set(starts.map(({ id }) => id)).size).toBe(1)
  expect(starts.map(({ context }) => context).sort()).toEqual(['new', 'running', 'running', 'running'])
  expect(runnersOf((await coordinator()).id)).toHaveLength(1)
  const again = await ov('coordinator', 'start', '--model', 'opus')
  expect(again.code).toBe(0)
  expect(again.output).toContain('runs already')
  expect(again.output).toContain('ov coordinator stop')
})

test('it idles without a turn, takes no place from its workers, and leaves runs to them', async () => {
  await open(ECHO, 'agents: { maxConcurrent: 1 }\n')
  await json('coordinator', 'start')
  await expectWaiting()
  await fleet.sling('one', 'true', '--wait')
  await fleet.sling('two', 'true', '--wait')
  expect((await fleet.agent('two')).run_id).not.toBe((await fleet.agent('one')).run_id)
  const status = await fleet.status()
  expect(status.agents.map(({ name, condition }) => [name, condition]).sort()).toEqual([
    ['coordinator', 'waiting'],
    ['two', 'done'],
  ])
  const report = await json<CoordinatorReport>('coordinator', 'status')
  expect(report).toMatchObject({ idle: true, unread: 0, workers: [] })
  expect((await ov('coordinator', 'status')).stdout).toContain('coordinator is idle, waiting for mail')
  expect((await ov('inspect', 'coordinator')).stdout).toContain('Nothing is under way.')
  expect(claude.heard()).toEqual([])
})

test('a sentence becomes tasks for workers; what becomes of them comes as mail, and its last words are the report', async () => {
  const worker = (name: string) =>
    `ov sling --capability builder --name ${name} --runtime shell --task 'Write ${name}' --command 'echo ${name} > ${name}.txt' > /dev/null`
  await open(`
    case "$(cat)" in
      *'Build two files'*) ${worker('alpha')}; ${worker('beta')}; echo 'I have slung two.';;
      *) ov status > "${home.path}/status"; echo "Both are merged.";;
    esac`)
  const built = await ov('coordinator', 'Build two files', '--wait', '--timeout', '40', '--json')
  expect(built.code, built.output).toBe(0)
  const exchange: Exchange = JSON.parse(built.stdout)
  expect(exchange).toMatchObject({ agent: 'coordinator', context: 'new' })
  expect(exchange.reply).toMatchObject({ type: 'result', body: 'Both are merged.', thread: exchange.mail.thread })
  expect(git(home, fleet.repo, 'show', 'main:alpha.txt', 'main:beta.txt')).toBe('alpha\nbeta')
  const all = prompts().join('\n')
  for (const name of ['alpha', 'beta']) {
    expect((await fleet.agent(name)).parent_id).toBe((await coordinator()).id)
    expect(times(all, `subject="Merged: Write ${name}"`)).toBe(1)
  }
  // Two claims and two merges are no four turns.
  expect(claude.heard().length).toBeLessThanOrEqual(3)
  expect(sessions()).toHaveLength(1)
  await expectWaiting()
  const log = await ov('coordinator', 'output')
  expect(log.stdout).toContain('I have slung two.')
  expect(log.stdout).toContain('Both are merged.')
})

test('ten that end while it works are one turn', async () => {
  const go = join(home.path, 'go')
  await open(`
    case "$(cat)" in
      *Begin*) for i in 1 2 3 4 5 6 7 8 9 10; do
          ov sling --runtime shell --name w$i --task "Task $i" --command true > /dev/null; done
        while [ ! -e '${go}' ]; do sleep 0.1; done; echo Slung.;;
      *) echo Seen.;;
    esac`)
  await json('coordinator', 'Begin')
  await expect.poll(async () => (await mailOf('--to', 'coordinator', '--type', 'worker_done')).length).toBe(10)
  writeFileSync(go, '')
  await expectWaiting()
  await expect.poll(() => claude.heard().length).toBe(2)
  expect(times(prompts()[1] ?? '', 'type="worker_done"')).toBe(10)
})

test('ask prints the answer alone on stdout, what it does meanwhile on stderr, and ends with 7 when time is over', async () => {
  const go = join(home.path, 'go')
  await open(`
    case "$(cat)" in
      *slow*) while [ ! -e '${go}' ]; do sleep 0.1; done; echo Late.;;
      *'Say it by'*) ov mail reply "$(ov mail list --json | sed -n 's/.*"id": "\\(.*\\)".*/\\1/p' | tail -1)" --body 'By mail.' > /dev/null; echo 'Said it.';;
      *) echo 'Forty-two.';;
    esac`)
  const asked = await ov('coordinator', 'ask', 'What is the answer?', '--timeout', '20')
  expect([asked.code, asked.stdout]).toEqual([0, 'Forty-two.\n'])
  expect(asked.output).toContain('coordinator (claude) is started.')
  expect(asked.output).toContain('turn ended')
  // What it wrote itself is its answer, and its last words are none besides.
  expect((await ov('coordinator', 'ask', 'Say it by mail', '--timeout', '20')).stdout).toBe('By mail.\n')
  expect(await mailOf('--from', 'coordinator')).toHaveLength(2)
  const late = await ov('coordinator', 'ask', 'Be slow', '--timeout', '1')
  expect(late.code).toBe(7)
  expect(late.output).toContain('its reply comes as mail: ov mail check')
  writeFileSync(go, '')
  await expect.poll(async () => (await ov('mail', 'check')).stdout).toContain('Late.')
})

test('a question of its own reaches the human, and the answer wakes it', async () => {
  await open(`
    case "$(cat)" in
      *Choose*) ov ask 'Which colour?' --to human --option red --option blue > /dev/null; echo 'I wait.';;
      *) echo 'It is red then.';;
    esac`)
  const chosen = ov('coordinator', 'Choose a colour', '--wait', '--timeout', '30')
  await expect.poll(async () => (await mailOf('--type', 'question')).length).toBe(1)
  await expectWaiting('human')
  const [question] = await mailOf('--type', 'question')
  const report = await json<CoordinatorReport>('coordinator', 'status')
  expect(report.questions.map(({ subject }) => subject)).toEqual(['Which colour?'])
  await json('mail', 'reply', question?.id ?? '', '--body', 'red')
  const { code, stdout, output } = await chosen
  expect([code, stdout]).toEqual([0, 'It is red then.\n'])
  expect(output).toContain('coordinator asks: Which colour?')
})

test('stopped and started again it has its whole conversation, and is told what it missed', async () => {
  const done = join(home.path, 'done')
  await open(`
    case "$(cat)" in
      *Begin*) ov sling --runtime shell --name slow --task 'Take your time' --command "while [ ! -e '${done}' ]; do sleep 0.1; done" > /dev/null; echo Slung.;;
      *) echo Well.;;
    esac`)
  await json('coordinator', 'Begin')
  await expectWaiting('children')
  const { id } = await coordinator()
  expect((await ov('coordinator', 'stop')).output).toContain('ov coordinator start')
  expect((await ov('coordinator', 'stop')).output).toContain('It did not run (stopped).')
  expect((await fleet.agent('slow')).state).toBe('working')
  // Without it, its worker reports to the human.
  writeFileSync(done, '')
  await expect.poll(async () => (await mailOf('--to', 'human', '--type', 'worker_done')).length).toBe(1)
  const started = await ov('coordinator', 'start')
  expect(started.output).toContain('with its whole conversation')
  expect((await coordinator()).id).toBe(id)
  await expectWaiting()
  // To be told is no turn by itself.
  expect(claude.heard()).toHaveLength(1)
  await json('coordinator', 'ask', 'What now?', '--timeout', '20')
  expect(sessions()).toHaveLength(1)
  const last = prompts().at(-1) ?? ''
  expect(last).toContain('What now?')
  expect(last).toContain('Work that ended meanwhile:\n- slow (builder), done: Take your time')
})

test('with its conversation lost it begins anew with a digest of the records, and the start says so', async () => {
  await open(`cat > /dev/null; echo 'I shall see to the login page.'`)
  await fleet.sling('other', 'sleep 600')
  await json('coordinator', 'ask', 'Mind the login page', '--timeout', '20')
  await json('coordinator', 'stop')
  claude.forget()
  const started = await ov('coordinator', 'start')
  expect(started.output).toContain('it is told from the records how things stand')
  await json('coordinator', 'ask', 'What was it?', '--timeout', '20')
  expect(sessions()).toHaveLength(2)
  const last = prompts().at(-1) ?? ''
  expect(last).toContain('Your earlier conversation is lost.')
  expect(last).toContain('- other (builder), working: Task of other')
  expect(last).toMatch(/human → you, question .*: Mind the login page/)
  expect(last).toMatch(/you → human, answer .* · I shall see to the login page\./)
})

test('kill -9 of its runner loses and doubles no mail: it is brought back by the next word, with its conversation', async () => {
  const go = join(home.path, 'go')
  const busy = join(home.path, 'busy')
  await open(`
    case "$(cat)" in
      *First*) touch '${busy}'; while [ ! -e '${go}' ]; do sleep 0.1; done; echo Never.;;
      *) echo Here.;;
    esac`)
  await json('coordinator', 'First')
  await expect.poll(() => existsSync(busy)).toBe(true)
  await json('mail', 'send', '--to', 'coordinator', '--subject', 'Second', '--type', 'assign')
  await killRunner()
  writeFileSync(go, '')
  const gone = (await fleet.status()).agents.find(({ name }) => name === 'coordinator')
  expect(gone).toMatchObject({ condition: 'runner_gone' } satisfies Partial<AgentReport>)
  // Whoever looks after the fleet leaves it as it is.
  await fleet.sling('other', 'true', '--wait')
  expect((await coordinator()).state).toBe('working')
  expect((await ov('status')).stdout).toContain('→ ov coordinator start')

  const third = await json<Exchange>('coordinator', 'send', 'Third')
  expect(third.context).toBe('resumed')
  await expectWaiting()
  await expect.poll(async () => (await mailOf('--to', 'coordinator', '--unread')).length).toBe(0)
  expect(sessions()).toHaveLength(1)
  const all = prompts().join('\n')
  for (const subject of ['First', 'Second', 'Third']) expect(times(all, `subject="${subject}"`)).toBe(1)
  expect(all).toContain('You were cut off in the middle of a turn.')
})

test('under kill -9 again and again, each mail enters its conversation exactly once', {
  timeout: 120_000,
}, async () => {
  await open('cat > /dev/null; sleep 0.1; echo Well.')
  await json('coordinator', 'start')
  for (let round = 0; round < 5; round++) {
    for (const letter of ['a', 'b', 'c'])
      await json('mail', 'send', '--to', 'coordinator', '--subject', `${round}${letter}.`, '--type', 'assign')
    // Wherever it is just now: before the hand-over, in it, in the turn, behind it.
    for (const { pid } of runnersOf((await coordinator()).id)) process.kill(pid, 'SIGKILL')
    await json('coordinator', 'start')
  }
  await expect.poll(async () => (await mailOf('--to', 'coordinator', '--unread', '--type', 'assign')).length).toBe(0)
  const said = claude.conversations()
  for (let round = 0; round < 5; round++)
    for (const letter of ['a', 'b', 'c']) expect(times(said, `subject=\\"${round}${letter}.\\"`)).toBe(1)
  expect(sessions()).toHaveLength(1)
})

test('a turn that was cut off by a stop is taken up by the next start, unasked', async () => {
  const busy = join(home.path, 'busy')
  await open(`
    case "$(cat)" in
      *'cut off'*) echo 'Finished after all.';;
      *) touch '${busy}'; sleep 600;;
    esac`)
  await json('coordinator', 'Do it')
  await expect.poll(() => existsSync(busy)).toBe(true)
  await json('coordinator', 'stop')
  expect((await mailOf('--to', 'human')).map(({ subject }) => subject)).toEqual([])
  await json('coordinator', 'start')
  await expect.poll(async () => (await mailOf('--to', 'human')).map(({ subject }) => subject)).toEqual(['Re: Do it'])
})

test('a CLI that dies in a turn is taken up again; one that dies again and again fails honestly', async () => {
  const died = join(home.path, 'died')
  const broken = join(home.path, 'broken')
  await open(`
    cat > /dev/null
      [ -e '${died}' ] && [ ! -e '${broken}' ] && echo Alive. && exit; touch '${died}'; exit 42`)
  expect((await json<Exchange>('coordinator', 'ask', 'Well?', '--timeout', '20')).reply?.body).toBe('Alive.')
  writeFileSync(broken, '')
  const { code, output } = await ov('coordinator', 'ask', 'And now?', '--timeout', '20')
  expect(code, output).toBe(1)
  expect(await coordinator()).toMatchObject({ state: 'failed' })
  expect((await coordinator()).reason).toContain('ov coordinator start')
})

test('a runtime that nobody is logged in to is refused before anything is started', async () => {
  await open(ECHO)
  const { ANTHROPIC_API_KEY: _none, ...env } = claude.env
  for (const words of [['start'], ['send', 'Build X'], ['Build X'], ['ask', 'Well?']]) {
    const { code, output } = await home.ov(fleet.repo, ['coordinator', ...words], { env })
    expect(code).toBe(2)
    expect(output).toContain('Claude Code is not logged in')
    expect(output).toContain('claude auth login, then: ov coordinator start')
  }
  expect(await persistentAgent(fleet.db, 'coordinator')).toBeUndefined()
  expect((await fleet.status()).agents).toEqual([])
  expect(await mailOf()).toEqual([])
})

test('a login that is refused at work fails it with what to do; nothing is sent until a person says that it is good again', async () => {
  const mended = join(home.path, 'mended')
  await open(`cat > /dev/null; [ -e '${mended}' ] || exit 41; echo Done.`)
  const sent = await ov('coordinator', 'Build X', '--wait', '--timeout', '20')
  expect(sent.code).toBe(1)
  expect(sent.output).toContain('Invalid API key')
  const { state, reason } = await coordinator()
  expect(state).toBe('failed')
  expect(reason).toContain('Log in (claude auth login)')
  expect(reason).toContain('ov coordinator start')
  const refused = await ov('coordinator', 'send', 'And Y')
  expect(refused.code).toBe(1)
  expect(refused.output).toContain('nothing was sent')
  expect((await mailOf('--to', 'coordinator')).map(({ subject }) => subject)).toEqual(['Build X'])
  writeFileSync(mended, '')
  const early = await ov('coordinator', 'start')
  expect(early.code).toBe(2)
  expect(early.output).toContain('ov limits clear claude')
  expect((await ov('limits', 'clear', 'claude')).code).toBe(0)
  expect((await ov('coordinator', 'start')).code).toBe(0)
  // What was wanted is not forgotten.
  await expect
    .poll(async () => (await mailOf('--from', 'coordinator')).map(({ subject }) => subject))
    .toEqual(['Re: Build X'])
})

test('inside, it is neither done nor failed, and there is no second coordinator', async () => {
  const log = join(home.path, 'log')
  await open(`cat > /dev/null
    { ov done --summary x; echo $?; ov fail --reason x; echo $?; ov sling -c coordinator --task x; echo $?; ov coordinator x; echo $?; } > '${log}' 2>&1
    echo "$(cat '${log}')"`)
  const { reply } = await json<Exchange>('coordinator', 'ask', 'Try', '--timeout', '20')
  expect(reply?.body.match(/^\d+$/gm)).toEqual(['2', '2', '2', '2'])
  expect(reply?.body).toContain('You are the coordinator: your work has no end of its own.')
  expect(reply?.body).toContain('A project has one coordinator')
  expect(reply?.body).toContain('ov coordinator is for the human, not for agents.')
  await expectWaiting()
})

test('what looks like a mistyped command is not sent', async () => {
  await open(ECHO)
  const typo = await ov('coordinator', 'statsu')
  expect(typo.code).toBe(2)
  expect(typo.output).toContain('Did you mean ov coordinator status?')
  for (const none of ['status', 'stop']) expect((await ov('coordinator', none)).code).toBe(0)
  for (const none of ['output', 'attach']) expect((await ov('coordinator', none)).code).toBe(2)
  expect(await persistentAgent(fleet.db, 'coordinator')).toBeUndefined()
})

test('before each turn its checkout is at what is merged, on no branch; ov worktree and ov clean leave it be', async () => {
  await open('cat > /dev/null; git log -1 --format=%s; git status --short --branch')
  const seen = async () =>
    (await json<Exchange>('coordinator', 'ask', 'What do you see?', '--timeout', '20')).reply?.body
  expect(await seen()).toBe('Configure ov\n## HEAD (no branch)')
  await fleet.sling('writer', 'echo a > a.txt', '--wait')
  expect(await seen()).toMatch(/^Merge.*|^Task of writer/)
  expect(git(home, fleet.repo, 'rev-parse', 'main')).toBe((await coordinator()).base_sha)
  const owner = ownerOf(await coordinator())
  expect((await ov('worktree', 'list')).stdout).toContain('coordinator')
  expect((await ov('worktree', 'clean', '--yes')).code).toBe(0)
  expect((await ov('clean', '--yes')).code).toBe(0)
  expect(ownerOf(await coordinator())).toEqual(owner)
  expect(await seen()).toContain('## HEAD (no branch)')
})
