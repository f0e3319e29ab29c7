import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findAgent } from '../../src/agents/store.ts'
import { openMerges } from '../../src/merge/store.ts'
import { inProject } from '../rig/project.ts'
import { git, type Home, makeHome, readyRepo } from '../rig/sandbox-home.ts'

/*
 * An agent that uses `ov` wrongly, from inside: what it is told, and what it can't do.
 */

let home: Home
let repo: string
beforeAll(async () => {
  home = makeHome()
  repo = await readyRepo(home, 'agents: { maxDepth: 1 }\nmerge: { auto: false }\n')
})
afterAll(() => home.dispose())

interface Said {
  readonly code: number
  readonly output: string
}

/** Runs commands in an agent, one a line, and gives what each ended with. */
async function inside(name: string, lines: readonly string[], ...flags: string[]): Promise<Said[]> {
  const log = join(home.path, `${name}.log`)
  const script = join(home.path, `${name}.sh`)
  const step = (line: string, index: number) =>
    `{ ${line}\n} > '${log}.${index}' 2>&1; echo $? > '${log}.${index}.code'`
  writeFileSync(script, `${lines.map(step).join('\n')}\nexit 0\n`)
  const slung = await home.ov(repo, [
    'sling',
    '--runtime',
    'shell',
    '--name',
    name,
    '--task',
    `Be ${name}`,
    '--command',
    `sh '${script}'`,
    ...flags,
  ])
  expect(slung.code, slung.output).toBe(0)
  const last = `${log}.${lines.length - 1}.code`
  await expect.poll(() => readWhole(last)).toMatch(/\n$/)
  return lines.map((_, index) => ({
    code: Number(readWhole(`${log}.${index}.code`)),
    output: readWhole(`${log}.${index}`),
  }))
}

function readWhole(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // Not written yet.
    return ''
  }
}

const refusal = (code: number, message: string, hint: string): Said => ({
  code,
  output: `✖ ${message}\nHint: ${hint}\n`,
})

test('what is the human’s is refused inside an agent, and nothing of it is done', async () => {
  const humans = ['init', 'init --force --yes', 'merge', 'clean --yes', 'doctor --fix', 'land', 'run list']
  const said = await inside('curious', [
    ...humans.map((command) => `ov ${command}`),
    'ov stop curious',
    'ov stop --all',
  ])
  const command = (text: string) => text.split(' --')[0]
  expect(said.slice(0, humans.length)).toEqual(
    humans.map((text) =>
      refusal(2, `ov ${command(text)} is for the human, not for agents.`, 'Ask for what you need: ov ask "…"'),
    ),
  )
  expect(said.at(-2)).toEqual(refusal(2, 'curious was not slung by you or yours.', 'Ask for it: ov ask "…"'))
  expect(said.at(-1)).toEqual({ code: 0, output: 'Nobody is at work.\n' })
})

test('nobody can write in another’s name: there is no flag for it, and the environment does not say who one is', async () => {
  const send = (subject: string, more = '') => `ov mail send --to human --subject '${subject}' ${more}`
  const cleared = 'env -u OV_BROKER -u OV_AGENT -u OV_AGENT_ID'
  const said = await inside('liar', [
    `OV_AGENT=human ${send('As the human')}`,
    `OV_AGENT=curious OV_AGENT_ID=curious ${send('As another')}`,
    send('By a flag', '--from human'),
    `env -u OV_BROKER ${send('Without a broker')}`,
    `${cleared} ${send('Without a trace')}`,
    `${cleared} setsid -w ${send('Without a family')}`,
    `${cleared} ov stop --all`,
  ])
  const changed = 'This process belongs to liar, but its environment was changed.'
  const leave = 'Leave the environment of an agent as it is: it tells who speaks.'
  expect(said.map(({ code }) => code)).toEqual([0, 0, 2, 1, 2, 2, 2])
  expect(said[2]?.output).toContain('There is no flag --from.')
  expect(said[3]?.output).toContain('This process belongs to an agent, but OV_BROKER is not set.')
  expect(said.slice(4)).toEqual([1, 2, 3].map(() => refusal(2, changed, leave)))
  const list = JSON.parse((await home.ov(repo, ['mail', 'list', '--json'])).stdout) as {
    mail: { from: string; subject: string }[]
  }
  const sent = list.mail.filter(({ subject }) => /^(As|By|Without) /.test(subject))
  expect(sent.map(({ from, subject }) => [from, subject])).toEqual([
    ['liar', 'As the human'],
    ['liar', 'As another'],
  ])
})

test('an agent whose broker is gone is told to stop', async () => {
  const gone = 'The runner of this agent is not there any more.'
  const said = await inside('orphan', [
    `OV_BROKER='${home.path}/no.sock' ov mail send --to human --subject x`,
    `OV_BROKER='${home.path}/no.sock' ov status`,
    'OV_BROKER=/etc/passwd ov done --summary x',
  ])
  expect(said).toEqual([1, 2, 3].map(() => refusal(1, gone, 'Stop working: what you have committed is kept.')))
})

describe('sling', () => {
  test('by a capability that may not is refused; so is one nested too deep', async () => {
    const child = (command: string) => `ov sling -c lead --runtime shell --task child --wait --command '${command}'`
    const deep = `${home.path}/deep`
    const nested = `ov sling --runtime shell --task grandchild --command true > "${deep}" 2>&1; echo $? >> "${deep}"`
    const [builder] = await inside('builder', [child('true')])
    expect(builder).toEqual(
      refusal(4, 'An agent of your capability may not sling others.', 'Ask your lead or the human: ov ask "…"'),
    )
    const [lead] = await inside('lead', [child(nested)], '--capability', 'lead')
    expect(lead?.code, lead?.output).toBe(0)
    expect(readWhole(deep)).toBe(
      '✖ Agents may be nested 1 deep; this one would be at 2.\nHint: Do the task yourself, or raise agents.maxDepth in overstory.yaml.\n4\n',
    )
  })
})

describe('done', () => {
  test('without work, or with some that is not committed, it is refused; said twice it is one claim', async () => {
    const commit = (name: string) => `echo ${name} > ${name}.txt; git add -A; git commit -qm ${name}`
    const said = await inside('hasty', [
      'ov done --summary "Nothing"',
      'echo a > a.txt; ov done --summary "Early"',
      'ov done',
      `${commit('a')}; ov done --summary "First"`,
      'ov done --summary "Again"',
      `${commit('b')}; ov done --summary "More"`,
    ])
    const queued = expect.stringMatching(/^ov\/run-\d+\/hasty is in the merge queue\. End your turn/)
    expect(said).toEqual([
      refusal(
        2,
        'There is no commit of yours to merge.',
        'Do the task and commit it; if nothing had to change: ov done --no-changes --summary "why"',
      ),
      refusal(2, '1 file is not committed: a.txt.', 'git add -A && git commit -m "…", then say done again'),
      refusal(2, '--summary is missing.', 'See how it is used: ov done --help'),
      { code: 0, output: queued },
      { code: 0, output: queued },
      { code: 0, output: queued },
    ])
    const list = JSON.parse((await home.ov(repo, ['mail', 'list', '--json'])).stdout) as {
      mail: { from: string; type: string; subject: string }[]
    }
    const claims = list.mail.filter(({ from, type }) => from === 'hasty' && type === 'worker_done')
    expect(claims.map(({ subject }) => subject)).toEqual(['Done: First', 'Done: More'])
    await inProject(home, repo, async (project) => {
      const agent = await findAgent(project.db, 'hasty')
      const queue = (await openMerges(project.db)).filter((entry) => entry.agent_id === agent?.id)
      expect(queue.map((entry) => entry.head_sha)).toEqual([git(home, repo, 'rev-parse', agent?.branch ?? '')])
    })
    expect(await home.ov(repo, ['merge', '--all'])).toMatchObject({ code: 0 })
    expect(git(home, repo, 'show', 'main:b.txt')).toBe('b')
  })

  test('after giving up it is over: neither done nor fail changes that, and nothing is merged', async () => {
    const said = await inside('torn', [
      'echo c > c.txt; git add -A; git commit -qm c; ov done --summary "Done"',
      'ov fail --reason "It was wrong"',
      'ov done --summary "Or not"',
      'ov fail --reason "Really"',
    ])
    expect(said.map(({ code }) => code)).toEqual([0, 0, 2, 2])
    expect(said[2]).toEqual(
      refusal(2, 'Your task has ended: it is failed.', 'End your turn. What you have committed is kept.'),
    )
    expect(said[3]).toEqual(refusal(2, 'Your task has ended: it is failed.', 'End your turn.'))
    await inProject(home, repo, async (project) => {
      const torn = await findAgent(project.db, 'torn')
      expect((await openMerges(project.db)).filter((entry) => entry.agent_id === torn?.id)).toEqual([])
    })
  })
})
