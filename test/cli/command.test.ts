import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { explain } from '../../src/cli/failure.ts'
import { OvError } from '../../src/errors.ts'
import { listFolder } from '../../src/os/files.ts'
import { run } from '../../src/os/process.ts'
import { makeFleet } from '../rig/fleet.ts'
import { git, type Home, makeHome, makeRepo, OV } from '../rig/sandbox-home.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

test('an error says what happened and what to type next, on stderr, with its exit code', async () => {
  const outside = await home.ov(home.path, ['status'])
  expect([outside.code, outside.stdout]).toEqual([2, ''])
  expect(outside.output).toMatch(/^✖ .* is not inside a git repository\.\nHint: .*git init && ov init\n$/)
})

test('with --json an error is one document on stdout, whatever it is', async () => {
  const repo = makeRepo(home)
  const cases: [string[], string][] = [
    [['status', '--json'], 'project.not-initialised'],
    [['status', '--json', '--nope'], 'cli.usage'],
    [['logs', '--json'], 'cli.usage'],
    [['no', 'such', '--json'], 'cli.unknown-command'],
  ]
  for (const [args, code] of cases) {
    const outcome = await home.ov(repo, args)
    expect(outcome.code).toBe(2)
    expect(outcome.output).toBe(outcome.stdout)
    expect(JSON.parse(outcome.stdout)).toEqual({
      error: { kind: 'user', code, message: expect.any(String), hint: expect.any(String) },
    })
  }
})

test('a command that is not there is said to be not there', async () => {
  const outcome = await home.ov(home.path, ['frobnicate', 'all'])
  expect([outcome.code, outcome.stdout]).toEqual([2, ''])
  expect(outcome.output).toContain('There is no command "frobnicate all".\nHint: See what there is: ov --help')
})

test.each([
  ['slign', 'Did you mean ov sling?'],
  ['mail sned', 'Did you mean ov mail send?'],
  ['search', 'Did you mean ov mail search?'],
  ['stat', 'Did you mean ov status?'],
  ['status --al', 'Did you mean --all?'],
  ['stop --resaon x', 'Did you mean --reason?'],
])('ov %s is answered with what was meant', async (typed, hint) => {
  const outcome = await home.ov(home.path, typed.split(' '))
  expect([outcome.code, outcome.stdout]).toEqual([2, ''])
  expect(outcome.output).toContain(`Hint: ${hint}`)
})

test.each([
  [['fail', 'too hard'], 'ov fail takes no "too hard".', 'ov fail --help'],
  [['land', 'now'], 'ov land takes no "now".', 'ov land --help'],
  [['--frobnicate'], 'There is no flag "--frobnicate".', 'ov --help'],
])('%j says what is too much', async (typed, message, hint) => {
  const outcome = await home.ov(home.path, typed)
  expect([outcome.code, outcome.stdout]).toEqual([2, ''])
  expect(outcome.output).toContain(`✖ ${message}\nHint: See `)
  expect(outcome.output).toContain(hint)
})

test.each([
  ['nudge', 'AGENT and TEXT are missing.'],
  ['inspect', 'AGENT is missing.'],
  ['mail send --to human', '--subject is missing.'],
  ['mail send --to human --subject', '--subject needs a value.'],
  ['sling --task x --timeout 5', '--timeout goes only with --wait.'],
  ['sling --task x --task-file y', '--task-file and --task do not go together.'],
  ['watch --once --background', '--background and --once do not go together.'],
  ['watch --interval 0', '--interval takes an integer greater than or equal to 1, not "0".'],
  ['mail wait --timeout soon', '--timeout takes an integer, not "soon".'],
  ['status --frobnicate', 'There is no flag --frobnicate.'],
])('ov %s: %s', async (typed, message) => {
  const outcome = await home.ov(home.path, typed.split(' '))
  const command = typed.replace(/ --.*/, '')
  expect([outcome.code, outcome.output]).toEqual([2, `✖ ${message}\nHint: See how it is used: ov ${command} --help\n`])
})

test('in a folder that was deleted every command says so', async () => {
  const lost = mkdtempSync(join(home.path, 'lost-'))
  const inLost = (...typed: string[]) =>
    run(['sh', '-c', 'cd "$1"; rmdir "$1"; shift; exec "$@"', 'sh', lost, process.execPath, OV, ...typed], {
      cwd: home.path,
      env: { ...home.env },
      timeoutMs: 20_000,
    })
  for (const typed of [
    ['status'],
    ['status', '--json', '--quiet'],
    ['mail', 'check'],
    ['init'],
    ['sling', '--task', 'x'],
  ]) {
    mkdirSync(lost, { recursive: true })
    const outcome = await inLost(...typed)
    expect([outcome.code, outcome.output]).toEqual([
      2,
      expect.stringContaining('The folder you are in has been deleted.'),
    ])
    expect(outcome.output).not.toContain('    at ')
  }
})

test.each(['-v', 'version'])('ov %s is ov --version', async (typed) => {
  const [by, the] = await Promise.all([home.ov(home.path, [typed]), home.ov(home.path, ['--version'])])
  expect([by.code, by.stdout]).toEqual([0, the.stdout])
})

test('ov help COMMAND is ov COMMAND --help', async () => {
  const [by, the] = await Promise.all([home.ov(home.path, ['help', 'stop']), home.ov(home.path, ['stop', '--help'])])
  expect([by.code, by.stdout]).toEqual([0, the.stdout])
  expect(by.stdout).toContain('--tree')
})

test('a bug keeps its stack, an error for a person has none, and what the system refuses says what to do', () => {
  expect(explain(new TypeError('x is not a function'), 'ov status')).toMatchObject({
    kind: 'failed',
    code: 'bug',
    exitCode: 1,
    stack: expect.stringContaining('command.test.ts'),
  })
  expect(explain(new OvError('busy', 'a.b', 'No.', { hint: 'Wait.' }), 'ov')).toEqual({
    kind: 'busy',
    code: 'a.b',
    message: 'No.',
    hint: 'Wait.',
    exitCode: 4,
    stack: null,
  })
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  expect(explain(full, 'ov')).toMatchObject({
    code: 'os.enospc',
    exitCode: 1,
    stack: null,
    hint: expect.stringContaining('disk is full'),
  })
})

test('what an error quotes can move no cursor', async () => {
  const outcome = await home.ov(makeRepo(home), ['status', '--run', 'x\x1b[2J\x07'])
  expect(outcome.output.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
})

test('--quiet says nothing beside the result', async () => {
  const fleet = await makeFleet(home)
  const args = ['sling', '--runtime', 'shell', '--command', 'true', '--task', 'Quiet']
  const quiet = await home.ov(fleet.repo, [...args, '-q'])
  expect([quiet.code, quiet.output]).toEqual([0, ''])
})

test('whoever reads the output may leave early', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('talker', 'seq 1 200000', '--wait')
  const script = `"${process.execPath}" "${OV}" logs talker -n 200000 | head -n 1; echo "\${PIPESTATUS[0]}"`
  const output = await bash(fleet.repo, script)
  expect(output).toBe('1\n0\n')
  const following = `"${process.execPath}" "${OV}" logs ticker -f | head -n 2; echo "\${PIPESTATUS[0]}"`
  await fleet.sling('ticker', 'while sleep 0.2; do echo tick; done')
  expect(await bash(fleet.repo, following)).toBe('tick\ntick\n0\n')
})

/** Runs a script of `bash`; gives all its output. */
function bash(cwd: string, script: string): Promise<string> {
  const child = spawn('bash', ['-c', script], { cwd, env: { ...home.env }, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => resolve(output))
  })
}

/** True once a process waits for files to change, which all commands that wait do. */
function watches(pid: number): boolean {
  const folder = `/proc/${pid}/fd`
  return listFolder(folder).some((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`).includes('inotify')
    } catch {
      // Closed between the two looks.
      return false
    }
  })
}

test.each([
  [['logs', 'ticker', '-f']],
  [['mail', 'wait']],
  [['sling', '--runtime', 'shell', '--task', 'Y', '--command', 'sleep 600', '--wait']],
])('Ctrl-C ends ov %j with exit code 130, and the agent works on', async (args) => {
  const fleet = await makeFleet(home)
  await fleet.sling('ticker', 'while sleep 0.2; do echo tick; done')
  await fleet.expectState('ticker', 'working')
  const child = spawn(process.execPath, [OV, ...args], { cwd: fleet.repo, env: { ...home.env }, stdio: 'ignore' })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  await expect.poll(() => watches(child.pid ?? 0), { interval: 5 }).toBe(true)
  child.kill('SIGINT')
  expect(await ended).toBe(130)
  expect((await fleet.agent('ticker')).state).toBe('working')
})

test('inside an agent what is the human’s is refused', async () => {
  const fleet = await makeFleet(home)
  const tries = ['stop --all', 'clean --yes', 'inspect inner', 'logs inner', 'worktree clean --yes', 'run list'].map(
    (words) => `ov ${words}; echo "$?"`,
  )
  await fleet.sling('inner', `${tries.join('; ')}; ov status | tail -n 1`, '--wait')
  const logs = await home.ov(fleet.repo, ['logs', 'inner'])
  const lines = logs.stdout.trim().split('\n')
  expect(lines.filter((line) => line === '2')).toHaveLength(5)
  expect(lines.filter((line) => line.includes('is for the human'))).toHaveLength(5)
  expect(lines.at(-1)).toContain('Task of inner')
  expect(git(home, fleet.repo, 'status', '--porcelain')).toBe('')
})
