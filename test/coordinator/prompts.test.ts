import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CAPABILITIES, type Capability } from '../../src/contract/states.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { quotedInCode, quotedInMarkdown } from '../rig/quoted.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'
import { type Talking, talkingClaude } from '../rig/talking-claude.ts'

/*
 * Every command that a prompt quotes is typed here by an agent of the role that is told so, in a real fleet: it may be
 * refused for what it would do, never for how it is typed.
 */

const ROOT = resolve(import.meta.dirname, '..', '..')
/** Where prompts of agents are written, beside their instructions. */
const PROMPTS = [
  'src/runner/runner.ts',
  'src/runner/guard.ts',
  'src/agents/digest.ts',
  'src/mail/frame.ts',
  'src/watchdog/nudge.ts',
]

let home: Home
let fleet: Fleet
let claude: Talking
beforeAll(async () => {
  home = makeHome()
  mkdirSync(scripts())
  claude = talkingClaude(
    home,
    `name=$(grep -o 'Be [a-z0-9-]*' | head -1 | cut -c4-); [ -e "${scripts()}/$name" ] && sh "${scripts()}/$name"; echo Well.`,
  )
  fleet = await makeFleet(home, {
    config: 'runtime: { default: claude }\nagents: { maxConcurrent: 100, maxSessionsPerRun: 200 }\n',
  })
  // Somebody to write to.
  await fleet.sling('peer', 'sleep 600')
})
afterAll(() => home.dispose())

const scripts = () => join(home.path, 'scripts')
const ov = (...args: string[]) => home.ov(fleet.repo, args, { env: claude.env })

/** Has an agent of a role get a prompt; the coordinator is always the same. */
async function begin(capability: Capability, name: string): Promise<string> {
  const slung =
    capability === 'coordinator'
      ? await ov('coordinator', 'send', `Be ${name}`)
      : await ov('sling', '--capability', capability, '--name', name, '--task', `Be ${name}`)
  expect(slung.code, slung.output).toBe(0)
  const agent = capability === 'coordinator' ? 'coordinator' : name
  await expect.poll(() => claude.heard().some(({ prompt }) => prompt.includes(`Be ${name}`)), WAIT).toBe(true)
  return agent
}
const WAIT = { timeout: 60_000, interval: 100 }

/** Ends the task of whoever types it, so each needs an agent of its own. */
const isEnd = (line: string) => /^ov (done|fail) /.test(line)

/** A quoted line with everything in it that stands for something else. */
function typed(line: string): string {
  return (
    line
      .replace(/\$\{[^}]*\}|\b(ID|3f9a21bc)\b/g, '$ID')
      .replace(/^(ov stop) .*?(?= --|$)/, '$1 kid-$OV_AGENT')
      .replace(/\b(NAME|AGENT|builder-1)\b/g, 'peer')
      // A quotation that is cut off by the end of a literal.
      .replace(/^([^"]*(?:"[^"]*"[^"]*)*)"[^"]*$/, '$1')
      // Its sentence ends, and another begins.
      .replace(/"\. .*$/, '"')
      .replace(/[.,;:)\]\\]+$/, '')
      .replace(/ --wait\b/, ' --wait --timeout 1')
      .trim()
  )
}

interface Typed {
  readonly line: string
  readonly code: string
  readonly output: string
}

/** Lets an agent of a role type these lines, and gives what became of each. */
async function type(capability: Capability, lines: readonly string[], name: string): Promise<Typed[]> {
  const log = join(home.path, `typed-${name}`)
  const steps = lines.map((line, at) => `{ ${line}\n} > '${log}.${at}' 2>&1; echo $? > '${log}.${at}.code'`)
  const kid = `ov sling --runtime shell --name kid-$OV_AGENT --task "Kid of $OV_AGENT" --command 'sleep 600'`
  const id = `ID=$(ov mail list --from human --json | sed -n 's/.*"id": "\\(.*\\)".*/\\1/p' | tail -1)`
  const work = `echo ${name} > ${name}.txt; git add . && git commit -qm ${name}`
  writeFileSync(join(scripts(), name), [id, work, `${kid} > /dev/null 2>&1`, ...steps].join('\n'))
  await begin(capability, name)
  const last = `${log}.${lines.length - 1}.code`
  await expect.poll(() => (existsSync(last) ? readFileSync(last, 'utf8') : `${name} types`), WAIT).toMatch(/^\d+\n$/)
  return lines.map((line, at) => ({
    line,
    code: readFileSync(`${log}.${at}.code`, 'utf8').trim(),
    output: readFileSync(`${log}.${at}`, 'utf8'),
  }))
}

/** Roles that differ in nothing that a command asks for need not both type it. */
const KIND: Readonly<Record<Capability, string>> = {
  coordinator: 'coordinator',
  lead: 'lead',
  builder: 'writer',
  merger: 'writer',
  scout: 'reader',
  reviewer: 'reader',
  monitor: 'reader',
}
const typedBy = new Set<string>()

/** Lines that were refused as they are typed, not for what they would do (a twin, time that is over). */
async function refused(capability: Capability, quoted: readonly string[], name: string): Promise<Typed[]> {
  const all = [...new Set(quoted.map(typed))]
  // A command's bare name stands for it where it is quoted in full elsewhere.
  const full = all.filter((line) => !all.some((other) => other.startsWith(`${line} `)))
  const lines = full.filter((line) => !typedBy.has(`${KIND[capability]} ${line}`))
  for (const line of lines) typedBy.add(`${KIND[capability]} ${line}`)
  const alone = lines.filter(isEnd).map((line) => [line])
  const together = lines.filter((line) => !isEnd(line))
  const parts = together.length === 0 ? alone : [together, ...alone]
  const results = await Promise.all(parts.map((part, at) => type(capability, part, `${name}-${at}`)))
  return results.flat().filter(({ code }) => !['0', '4', '7'].includes(code))
}

const { commands: registry } = JSON.parse(readFileSync(join(ROOT, 'oclif.manifest.json'), 'utf8'))
const commands: { id: string; forAgents?: string }[] = Object.values(registry)

describe.each(CAPABILITIES)('%s', (capability) => {
  test('can type every command that its instructions quote', async () => {
    const told = claude.instructions(await begin(capability, `first-${capability}`))
    expect(told).toContain('## What `ov` takes from you')
    const quoted = quotedInMarkdown(told)
    const everyones = commands
      .filter(({ forAgents }) => forAgents === 'everyone')
      .map(({ id }) => id.replaceAll(':', ' '))
    expect(everyones.length).toBeGreaterThan(5)
    expect(everyones.filter((words) => !quoted.some((line) => line.startsWith(`ov ${words}`)))).toEqual([])
    expect(await refused(capability, quoted, `${capability}-types`)).toEqual([])
  })
})

test('what else stands in prompts can be typed too', async () => {
  const quoted = PROMPTS.flatMap((file) => quotedInCode(withoutComments(readFileSync(join(ROOT, file), 'utf8'))))
  expect(quoted.length).toBeGreaterThan(5)
  const agents = quoted.filter((line) => !HUMANS.test(line))
  expect(await refused('lead', agents, 'lead-else')).toEqual([])
})

/** Hints for the human stand beside prompts. */
const HUMANS = /^ov (doctor|coordinator|attach)\b/

function withoutComments(code: string): string {
  return code.replace(/\/\*.*?\*\//gs, '').replace(/^\s*\/\/.*$/gm, '')
}
