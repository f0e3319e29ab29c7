import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Command, Config } from '@oclif/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findProgram } from '../../src/os/files.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'
import { documentsOf, misfit, type Origin, type Shape, sayShape } from '../rig/shape.ts'
import { talkingClaude } from '../rig/talking-claude.ts'

/**
 * Every command's `--json`: docs/json.md is made of the types of the source (`vitest -u` rewrites it), and what the
 * commands really print is held against it.
 */

const ROOT = resolve(import.meta.dirname, '..', '..')
let home: Home
let fleet: Fleet
beforeAll(async () => {
  home = makeHome()
  fleet = await makeFleet(home)
})
afterAll(() => home.dispose())

let commands: Command.Loadable[]
let shapes: Map<string, Shape>
beforeAll(async () => {
  const config = await Config.load(ROOT)
  // A second name of a command is none.
  commands = config.commands.filter(
    ({ id, hidden, aliases }) => (!hidden || id === 'overview') && !aliases.includes(id),
  )
  shapes = documentsOf(
    ROOT,
    new Map<string, Origin>([
      ['error', { file: join('src', 'cli', 'explained.ts'), named: 'failureDocument' }],
      ...commands.map(({ id }) => [id, { file: fileOf(id) }] as const),
    ]),
  )
  // A JSON Schema is described elsewhere, and the type has only what `ov` itself looks at.
  shapes.set('config:schema', { anyOf: [{ is: 'map', of: { anyOf: [{ is: 'plain', type: 'unknown' }] } }] })
})

/** One file, one command; what begins a topic is the topic's index. */
function fileOf(id: string): string {
  const path = join('commands', ...id.split(':'))
  return existsSync(join(ROOT, `${path}.ts`)) ? `${path}.ts` : join(path, 'index.ts')
}

test('docs/json.md tells the shape of every command’s document', async () => {
  const parts = commands
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, summary }) => {
      return `## ${typed(id)}\n\n${summary}.\n\n${block(sayShape(shapes.get(id) ?? NONE))}`
    })
  const errors = block(sayShape(shapes.get('error') ?? NONE))
  await expect([INTRODUCTION, errors, ...parts].join('\n')).toMatchFileSnapshot(join(ROOT, 'docs', 'json.md'))
})

function block(text: string): string {
  return `\`\`\`ts\n${text}\n\`\`\`\n`
}

function typed(id: string): string {
  return id === 'overview' ? 'ov' : `ov ${id.replaceAll(':', ' ')}`
}

const printed = new Set<string>()

function check(id: string, document: string): void {
  printed.add(id)
  expect(misfit(JSON.parse(document), shapes.get(id) ?? NONE), typed(id)).toBeNull()
}

/** What a command printed is one document on stdout, of the documented shape. */
async function ask(
  words: string,
  {
    cwd = fleet.repo,
    exits = 'well' as 'well' | 'badly' | 'somehow',
    more = [] as string[],
    env = {} as Record<string, string>,
  } = {},
): Promise<void> {
  const args = [...words.split(' '), ...more]
  const outcome = await home.ov(cwd, [...args, '--json'], { env })
  const asTold = exits === 'somehow' || (outcome.code === 0) === (exits === 'well')
  expect(outcome.output === outcome.stdout && asTold, `${words}\n${outcome.output}`).toBe(true)
  const id = [args.slice(0, 2).join(':'), args[0] ?? ''].find((one) => shapes.has(one)) ?? ''
  check(exits === 'badly' ? 'error' : id, outcome.stdout)
}

test('what every command prints with --json has that shape', async () => {
  const out = join(home.path, 'out')
  const inside = (id: string) => `--json > '${out}.${id}.json'`
  await ask('overview', { cwd: home.path })
  await ask('status', { cwd: home.path, exits: 'badly' })
  await ask('init')
  await ask('run list')
  await ask('sling --runtime shell --task Quick --command true --name quick')

  const commit = (file: string) => `echo x > ${file} && git add -A && git commit -qm "Add ${file}"`
  const hello = `ov mail send --to human --subject Hello --body Hi ${inside('mail:send')}`
  await ask('sling --runtime shell --task Hello --name hello --wait', {
    more: ['--command', `${commit('a.txt')} && ${hello}`],
  })
  await fleet.sling('finisher', `${commit('b.txt')} && ov done --summary Finished ${inside('done')}`)
  await fleet.sling('quitter', `ov fail --reason "Not possible" ${inside('fail')}`)
  await fleet.expectState('finisher', 'done')
  await fleet.expectState('quitter', 'failed')
  await fleet.sling('asker', `ov ask Which? --option a --option b --wait ${inside('ask')}`)
  await expect.poll(async () => (await fleet.status()).mail.questions).toBe(1)

  const advice = `ov monitor propose --agent asker --verdict wait --why "It asks" ${inside('monitor:propose')}`
  await fleet.sling('watcher', advice, '--capability', 'monitor')
  await fleet.expectState('watcher', 'done')

  for (const words of [
    'overview',
    'mode',
    'service install --dry-run',
    'service status',
    'service uninstall',
    'monitor --once',
    'monitor status',
    'monitor stop',
    'status',
    'status --all',
    'inspect hello',
    'inspect asker',
    'why hello',
    'why asker',
    'logs hello',
    'attach asker',
    'nudge asker Hurry',
    'retry quitter',
    'mail list',
    'mail list --unread',
    'mail search Hello',
    'ask list',
    'ask list --all',
    'limits',
    'limits clear',
    'run list',
    'run show',
    'runtime list',
    'worktree list',
    'monitor --once',
    'watch --once',
    'watch status',
    'up --dry-run',
    'up',
    'fsck',
    'merge --dry-run',
    'merge',
    'land',
    'config explain agents.maxConcurrent',
    'config validate',
    'config schema',
    'config example',
    'completion bash',
    'clean --dry-run --log-days 0',
    'worktree clean --dry-run',
  ])
    await ask(words)
  mkdirSync(join(fleet.repo, '.overstory', 'runtimes'))
  writeFileSync(join(fleet.repo, '.overstory', 'runtimes', 'mine.js'), 'export default {}')
  await ask('runtime trust mine --yes')
  // Where agent CLIs are installed it would take minutes.
  await ask('runtime certify', { env: { PATH: onlyGit() } })
  // Here an agent CLI is missing, elsewhere nothing is.
  await ask('doctor', { exits: 'somehow' })
  // Where there is no desktop it ends badly, with its document.
  await ask('notify test', { exits: 'somehow', env: { OV_NOTIFY_DESKTOP: 'true' } })
  const { stdout } = await home.ov(fleet.repo, ['mail', 'list', '--to', 'human', '--json'])
  const question = JSON.parse(stdout).mail.find(({ type }: { type: string }) => type === 'question')
  await ask(`mail read ${question.id}`)
  await ask(`mail reply ${question.id} --body a`)
  await fleet.expectState('asker', 'done')
  await fleet.sling('other', 'ov ask Why? --wait')
  await fleet.expectState('other', 'waiting')
  const { questions } = JSON.parse((await home.ov(fleet.repo, ['ask', 'list', '--json'])).stdout)
  await ask(`ask answer ${questions[0].id} Because`)
  await ask('mail check')
  await fleet.sling('teller', 'ov mail send --to human --subject One --body more')
  await ask('mail wait --timeout 20')
  await fleet.sling('sleeper', 'sleep 600')
  await ask('stop sleeper --reason Enough')
  await ask('clean --yes --log-days 0')
  await ask('watch --background')
  await ask('watch status')
  await ask('watch stop')
  const { env } = talkingClaude(home, 'cat > /dev/null; echo Fine.')
  for (const words of [
    'runtime ask claude Why?',
    'coordinator start --runtime claude',
    'coordinator Hello',
    'coordinator send Build',
    'coordinator ask Why? --timeout 60',
    'coordinator status',
    'coordinator output',
    'coordinator attach',
    'coordinator stop',
    'monitor start --runtime claude',
    'monitor status',
    'monitor stop',
  ])
    await ask(words, { env })
  await ask('demo --remove', { cwd: home.path })
  for (const id of ['mail:send', 'done', 'fail', 'ask', 'monitor:propose'])
    check(id, readFileSync(`${out}.${id}.json`, 'utf8'))
  expect(commands.map(({ id }) => id).filter((id) => !printed.has(id))).toEqual([])
})

/** A folder for PATH in which there is git and nothing else. */
function onlyGit(): string {
  const folder = join(home.path, 'only-git')
  mkdirSync(folder)
  symlinkSync(findProgram('git') ?? '', join(folder, 'git'))
  return folder
}

const NONE: Shape = { anyOf: [] }

const INTRODUCTION = `# JSON documents

What each command prints with \`--json\`: one document on stdout, and nothing else. Made of the types of the source by a
test, which also holds what the commands really print against it; a change of shape fails there first. Times are
milliseconds since the epoch; \`null\` means nothing there, or not known. A field with \`?\` is not always there. Fields may
be added; none changes its meaning or goes without a word in the changelog. Where alternatives stand side by side, they
depend on flags or on what was found.

More on what they mean: [commands](commands.md), [mail](mail.md), [merging](merging.md).

## errors

Of any command; the exit code goes with \`kind\`.
`
