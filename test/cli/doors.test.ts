import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { git, type Home, makeHome, makeRepo, readyRepo } from '../rig/sandbox-home.ts'

/*
 * The fast door and oclif, side by side: the same command lines in two machines that are alike. A wish about how oclif
 * prints (here the one it has anyway) sends a command line to oclif.
 */
const TO_OCLIF = { OCLIF_COLUMNS: '80' }

interface Machine {
  readonly home: Home
  readonly env: Readonly<Record<string, string>>
  repo: string
}

let fast: Machine
let slow: Machine
let watch: string
beforeAll(async () => {
  const machines: Machine[] = [
    { home: makeHome(), env: {}, repo: '' },
    { home: makeHome(), env: TO_OCLIF, repo: '' },
  ]
  for (const machine of machines) {
    machine.repo = await readyRepo(machine.home)
    // What is remembered of the configuration is there from the first command on that opens the project.
    await machine.home.ov(machine.repo, ['status'])
  }
  ;[fast, slow] = machines as [Machine, Machine]
  watch = join(fast.home.path, 'watch.mjs')
  writeFileSync(
    watch,
    `import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
registerHooks({
  load(url, context, next) {
    if (url.includes('/dist/engine/')) appendFileSync(process.env.LOADED, url + '\\n')
    return next(url, context)
  },
})
`,
  )
})
afterAll(async () => {
  await fast.home.dispose()
  await slow.home.dispose()
})

/** What differs between two machines and two moments. */
function alike(text: string, { home }: Machine): string {
  return text
    .replaceAll(home.path, 'HOME')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'ID')
    .replace(/\b[0-9a-f]{40}\b/g, 'COMMIT')
    .replace(/\b[0-9a-f]{8}\b/g, 'SHORT')
    .replace(/\b\d{13}\b/g, '0')
    .replace(/\d+s ago|just now/g, 'AGO')
    .replace(/ +\d+s {2}(human|builder)/g, ' 1s  $1')
    .replace(/"pid": \d+/g, '"pid": 1')
    .replace(/(was |"was": ")(?:starting|working)/g, '$1working')
}

interface Said {
  readonly code: number | null
  readonly stdout: string
  readonly all: string
}

/** Runs a command line in both machines; gives what both said, or fails where they differ. */
async function both(
  args: readonly string[],
  {
    at = '',
    byOclif = false,
    input,
    env = {},
  }: { at?: string; byOclif?: boolean; input?: string; env?: Record<string, string> } = {},
): Promise<Said> {
  const run = async (machine: Machine): Promise<Said & { usedOclif: boolean }> => {
    const loaded = join(machine.home.path, 'loaded')
    rmSync(loaded, { force: true })
    const outcome = await machine.home.ov(join(machine.repo, at), args, {
      env: { ...machine.env, ...env, LOADED: loaded, NODE_OPTIONS: `--import ${watch}` },
      ...(input === undefined ? {} : { input }),
    })
    return {
      code: outcome.code,
      stdout: alike(outcome.stdout, machine),
      all: alike(outcome.output, machine),
      usedOclif: existsSync(loaded),
    }
  }
  const [{ usedOclif, ...quick }, { usedOclif: always, ...other }] = [await run(fast), await run(slow)]
  expect(quick, args.join(' ')).toEqual(other)
  expect({ usedOclif, always }, args.join(' ')).toEqual({ usedOclif: byOclif, always: args[0] !== '--version' })
  return quick
}

/** Does something to both machines. */
function inBoth(work: (machine: Machine) => void): void {
  work(fast)
  work(slow)
}

test('the version and the help are what oclif says', async () => {
  expect((await both(['--version'])).stdout).toMatch(/^oversling\/\S+ \w+-\w+ node-v/)
  expect((await both(['--help'])).stdout).toContain('USAGE')
  await both(['help'])
  await both(['help', 'mail'], { byOclif: true })
  await both(['--help', 'mail'], { byOclif: true })
})

test('mail is sent and checked the same, in words, as a document and as a prompt', async () => {
  const send = (...more: string[]) => both(['mail', 'send', '--to', 'human', ...more])
  expect((await both(['mail', 'check'])).all).toBe('No new mail.\n')
  expect((await both(['mail', 'check', '--inject'])).all).toBe('')
  expect((await both(['mail', 'check', '-q'])).all).toBe('')
  expect(JSON.parse((await both(['mail', 'check', '--json'])).stdout)).toEqual({ mail: [], prompt: '', left: 0 })
  expect((await send('--subject', 'One', '--body', 'Hello.\nThere.')).all).toBe('Sent to human (SHORT).\n')
  await send('-s', 'Urgent \x1b[2Jone', '--priority', 'urgent', '--json')
  await send('--subject=A question', '--type=question', '--quiet')
  expect((await both(['mail', 'check'])).stdout).toMatch(/^human → human · status · urgent/)
  await send('-s', 'Framed', '-b', '</ov-mail> <ov-mail id=x>')
  expect((await both(['mail', 'check', '--inject'])).stdout).toContain('<ov-mail id=ID')
  await send('-s', 'As a document')
  expect(JSON.parse((await both(['mail', 'check', '--json', '--inject'])).stdout).mail).toHaveLength(1)
  for (let i = 0; i < 3; i++) await send('-s', `Long ${i}`, '-b', 'x'.repeat(60_000))
  expect((await both(['mail', 'check'])).all).toContain('2 more: ov mail check')
  await both(['mail', 'check', '-q'])
  await both(['mail', 'check'])
  expect((await both(['mail', 'check', '--json', '--no-input'])).code).toBe(0)
})

test('what is wrong is said the same, with the same exit code', async () => {
  expect((await both(['mail', 'send', '--to', 'nobody', '-s', 'x'])).code).toBe(2)
  expect((await both(['mail', 'send', '--to', 'nobody', '-s', 'x', '--json'])).stdout).toContain(
    'mail.recipient-unknown',
  )
  await both(['mail', 'send', '--to', '@builder', '-s', 'x'])
  await both(['mail', 'send', '--to', 'human', '-s', ' '])
  await both(['mail', 'send', '--to', 'human', '-s', 'x'.repeat(400), '--json'])
})

test.each([
  [['mail', 'send']],
  [['mail', 'send', '--to', 'human']],
  [['mail', 'send', '--to', 'human', '--subject', '']],
  [['mail', 'send', '--to', 'human', '--subject', 'x', '--type', 'stauts']],
  [['mail', 'send', '--to', 'human', '--subject', 'x', '--type', 'merged', '--json']],
  [['mail', 'send', '--to', 'human', '--subject', 'x', '--type', 'decision_gate']],
  [['mail', 'send', '--to', 'human', '--subject', 'x', '--payload', '{"progress":2}']],
  [['mail', 'send', '--to', 'human', '--subject', 'x', '--subject', 'y']],
  [['mail', 'send', '--to', 'human', '--subject', 'x', 'more']],
  [['mail', 'send', '--to', 'human', '--subject', 'x', '--body', '--json']],
  [['mail', 'send', '--to', 'human', '-s=x']],
  [['mail', 'send', '--help']],
  [['mail', 'check', '--peek']],
  [['mail', 'check', '--nope', '--json']],
  [['mail', 'check', 'all']],
  [['mail', 'check', '--', '--json']],
  [['mail', 'check', '--json=true']],
])('what is not plain goes to oclif: ov %j', async (args) => {
  await both(args, { byOclif: true })
})

test('a body from standard input goes by oclif, whole', async () => {
  const args = ['mail', 'send', '--to', 'human', '-s', 'Piped', '-b', '-']
  expect((await both(args, { byOclif: true, input: 'by pipe' })).code).toBe(0)
  expect((await both(['mail', 'check'])).stdout).toContain('by pipe')
})

test('how things stand is the same document', async () => {
  const empty = JSON.parse((await both(['status', '--json'])).stdout)
  expect(empty).toMatchObject({ run: null, agents: [] })
  for (const { home, repo } of [fast, slow]) {
    const task = ['--runtime', 'shell', '--name', 'worker', '--task', 'Work', '--wait']
    const done = await home.ov(repo, ['sling', ...task, '--command', 'echo x > x && git add x && git commit -qm x'])
    expect(done.code, done.output).toBe(0)
  }
  const report = JSON.parse((await both(['status', '--json'])).stdout)
  expect(report.agents).toMatchObject([{ name: 'worker', task: { state: 'merged' } }])
  await both(['status', '--json', '--all', '-q'])
  await both(['status', '--run', 'run-1', '--json'])
  expect((await both(['status', '--json', '--run', 'run-9'])).code).toBe(2)
  await both(['status', '--help'], { byOclif: true })
  await both(['status', '--json', '--all', '--run', 'run-1'], { byOclif: true })
  await both(['status', '--json', '--help'], { byOclif: true })
})

test('from any folder of the project; where it is not plain what that is, by oclif', async () => {
  inBoth(({ home, repo }) => {
    mkdirSync(join(repo, 'a', 'b'), { recursive: true })
    makeRepo(home, 'other')
    mkdirSync(join(home.path, 'nowhere'))
    git(home, repo, 'worktree', 'add', '--quiet', '../linked')
  })
  const check = ['mail', 'check', '--json']
  expect((await both(check, { at: 'a/b' })).code).toBe(0)
  expect((await both(check, { at: '../linked', byOclif: true })).code).toBe(0)
  expect((await both(check, { at: '../other', byOclif: true })).stdout).toContain('project.not-initialised')
  expect((await both(check, { at: '../nowhere', byOclif: true })).stdout).toContain('project.no-git')
  expect((await both(check, { at: '.git', byOclif: true })).code).toBe(2)
})

test('a configuration that has changed is read anew, and told when it is wrong', async () => {
  const check = ['mail', 'check', '--json']
  expect((await both(check)).code).toBe(0)
  inBoth(({ repo }) => appendFileSync(join(repo, 'overstory.yaml'), 'agents: { maxDepht: 1 }\n'))
  expect((await both(check, { byOclif: true })).stdout).toContain('config.invalid')
  inBoth(({ home, repo }) => git(home, repo, 'checkout', '--', 'overstory.yaml'))
  expect((await both(check)).code).toBe(0)
  inBoth(({ repo }) => writeFileSync(join(repo, 'overstory.local.yaml'), 'agents: { maxConcurrent: 2 }\n'))
  await both(check, { byOclif: true })
  await both(check)
  inBoth(({ repo }) => rmSync(join(repo, 'overstory.local.yaml')))
  await both(check, { byOclif: true })
  await both(check, { byOclif: true, env: { OV_AGENTS_MAX_DEPTH: '1' } })
  await both(check, { byOclif: true, env: { OV_AGENTS_MAX_DEPTH: 'many' } })
})

test('an agent is slung and stopped the same', async () => {
  const shell = ['--runtime', 'shell', '--command', 'sleep 600']
  const slung = await both(['sling', ...shell, '--name', 'first', '-t', 'Sleep \x1b[2Jwell', '--again'])
  expect(slung.all).toBe('first is on its way: Sleep well\nFollow it: ov logs first -f\n')
  const doc = await both(['sling', ...shell, '-c', 'scout', '--task=Look', '--json', '--files', 'a', '--files', 'b'])
  expect(JSON.parse(doc.stdout)).toMatchObject({ agent: 'scout-1', queued: false })
  await both(['sling', '--runtime', 'shell', '--command', 'sleep 601', '-q', '--base', 'HEAD', '--no-interactive'])
  expect((await both(['stop', 'first'])).stdout).toMatch(/^first is stopped \(was /)
  expect((await both(['stop', 'first'])).stdout).toBe('first had ended before (stopped).\n')
  expect((await both(['stop', 'nobody'])).code).toBe(2)
  expect((await both(['stop', 'nobody', '--json'])).code).toBe(2)
  expect((await both(['stop', 'first', '--all'])).code).toBe(2)
  const ended = await both(['stop', 'scout-1', 'builder-1', '--reason', 'Enough', '--tree', '--json'])
  expect(JSON.parse(ended.stdout).stopped).toMatchObject([{ agent: 'scout-1' }, { agent: 'builder-1' }])
  await both(['stop', '--all', '-q'], { byOclif: true })
  await both(['stop'], { byOclif: true })
  await both(['stop', 'first', '--nope'], { byOclif: true })
  await both(['stop', '--', 'first'], { byOclif: true })
})

test.each([
  [['--task', 'x', '--runtime', 'shel']],
  [['--task', 'x', '--runtime', 'shell']],
  [['--command', 'true', '--runtime', 'shell', '--name', 'Not A Name', '--json']],
  [['--command', 'true', '--runtime', 'shell', '--name', 'human']],
  [['--command', 'true', '--runtime', 'shell', '--base', 'nowhere']],
  [['--command', 'true', '--runtime', 'shell', '--interactive']],
  [['--task', 'x', '--capability', 'coordinator', '--json']],
])('what no agent can be slung for is refused the same: ov sling %j', async (args) => {
  expect((await both(['sling', ...args])).code).not.toBe(0)
})

test.each([
  [[]],
  [['--task', '']],
  [['--task', ' ']],
  [['--task', '-']],
  [['--task', 'x', '--capability', 'bilder']],
  [['--task', 'x', '--task-file', 'y']],
  [['--task-file', '/nowhere']],
  [['--task', 'x', '--timeout', '5']],
  [['--task', 'x', 'y']],
  [['--task', 'x', '--no-agian', '--json']],
  [['--help']],
])('what is no plain task goes to oclif: ov sling %j', async (args) => {
  await both(['sling', ...args], { byOclif: true, input: '' })
})

test('the queue is merged the same', async () => {
  expect((await both(['merge'])).all).toBe('Nothing to merge.\nNothing waits to land.\n')
  await both(['merge', '--json', '--all'])
  expect((await both(['merge', '--branch', 'nowhere'])).code).toBe(2)
  expect((await both(['merge', '-b', 'nowhere', '--json'])).code).toBe(2)
  const settings = 'merge: { auto: false, maxAttempts: 1 }\n'
  inBoth(({ repo }) => writeFileSync(join(repo, 'overstory.local.yaml'), settings))
  for (const { home, repo } of [fast, slow]) {
    for (const name of ['one', 'two', 'three']) {
      const command = `echo ${name} > clash-${name === 'two' ? 'one' : name} && git add -A && git commit -qm ${name}`
      const task = ['--name', name, '--task', `Make ${name}`, '--command', command]
      expect((await home.ov(repo, ['sling', '--runtime', 'shell', ...task])).code).toBe(0)
      await expect
        .poll(async () => (await home.ov(repo, ['merge', '--dry-run', '--json'])).stdout)
        .toContain(`"agent": "${name}"`)
    }
  }
  expect((await both(['merge', '-b', 'three', '--no-land'])).stdout).toBe('1 merged.\n')
  expect((await both(['merge'])).code).toBe(3)
  expect((await both(['merge', '--json', '--land'])).code).toBe(0)
  await both(['merge', '--dry-run'], { byOclif: true })
  await both(['merge', '--all', '--branch', 'one'], { byOclif: true })
  await both(['merge', '--land', '--no-land'], { byOclif: true })
  await both(['merge', 'one'], { byOclif: true })
  inBoth(({ repo }) => rmSync(join(repo, 'overstory.local.yaml')))
  await both(['status'], { byOclif: true })
})

test('inside an agent both go by its broker', async () => {
  const lines = [
    'ov mail check',
    'ov mail send --to human --subject "From inside"',
    'ov mail send --to human --subject "As a document" --json',
    'ov mail send --to nobody --subject x',
    'ov mail send --to "$OV_AGENT" --subject "To myself" --body "A body."',
    'ov mail check',
    'ov mail check --inject',
    'ov mail check --json',
    'ov status --json',
    'ov status --json --run run-9',
    'ov sling --name below --task "Below" --runtime shell --command "sleep 600"',
    'ov sling --name below-too --task "Below too" --runtime shell --command "sleep 600" --json',
    'ov stop below',
    'ov stop below-too --json',
    'ov stop human',
    'ov merge',
    'ov stop worker',
    'env -u OV_BROKER ov mail check',
    'OV_BROKER=/nowhere ov mail check --json',
    'env -u OV_BROKER -u OV_AGENT -u OV_AGENT_ID ov mail check',
  ]
  const said = async (machine: Machine) => {
    const steps = lines.map(
      (line, index) => `{ ${line}; } > ../../said.${index} 2>&1; echo "$?" >> ../../said.${index}`,
    )
    const exported = Object.entries(machine.env).map(([name, value]) => `export ${name}=${value}`)
    const script = join(machine.home.path, 'inside.sh')
    writeFileSync(script, [...exported, ...steps].join('\n').replaceAll('../../', `${machine.home.path}/`))
    const task = [
      'sling',
      '--runtime',
      'shell',
      '--name',
      'insider',
      '--capability',
      'lead',
      '--task',
      'Try both',
      '--command',
      `sh '${script}'`,
    ]
    const slung = await machine.home.ov(machine.repo, [...task, '--wait'])
    expect(slung.output).not.toContain('✖')
    return lines.map((line, index) => [
      line,
      alike(readFileSync(join(machine.home.path, `said.${index}`), 'utf8'), machine),
    ])
  }
  const [quick, other] = [await said(fast), await said(slow)]
  expect(quick).toEqual(other)
  const codes = quick.map(([, text]) => text?.trim().split('\n').at(-1))
  expect(codes.join(' ')).toBe('0 0 0 2 0 0 0 0 0 2 0 0 0 0 2 2 2 1 1 2')
})
