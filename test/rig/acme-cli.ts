import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'

/*
 * `acme`, the agent CLI of docs/adding-a-runtime.md, run as a program. There is no such CLI, but this one works: it asks
 * a model by the Messages API at $ACME_REGION, runs what that wants to be run, and keeps its conversation in $ACME_HOME.
 * Its first argument may name a flaw, so that proofs are seen to fail: `forgets` keeps no conversation, `hides` says
 * nothing of failures.
 */

interface Block {
  readonly type: string
  readonly text?: string
  readonly id?: string
  readonly input?: { readonly command: string }
}

const [flaw, verb, ...rest] = process.argv.slice(2)
const { values } = parseArgs({
  args: rest,
  strict: false,
  options: { session: { type: 'string' }, rules: { type: 'string' } },
})
const print = (line: string) => process.stdout.write(`${line}\n`)
const say = (event: string, more: object = {}) => print(JSON.stringify({ event, ...more }))

class Refused extends Error {
  readonly said: { status: number; message: string }
  constructor(status: number) {
    super()
    this.said = { status, message: `The service said ${status}.` }
  }
}

if (verb === '--version') print('acme 3.1.4')
else if (verb === 'ask')
  print(textIn((await answer('', [{ role: 'user', content: await text(process.stdin) }], [])).content))
else await run()

async function run(): Promise<void> {
  const home = process.env.ACME_HOME ?? ''
  const file = join(home, `${values.session}.json`)
  const messages: object[] = existsSync(file) && flaw !== 'forgets' ? JSON.parse(readFileSync(file, 'utf8')) : []
  messages.push({ role: 'user', content: await text(process.stdin) })
  const keep = () => {
    mkdirSync(home, { recursive: true })
    writeFileSync(file, JSON.stringify(messages))
  }
  say('begin', { session: values.session })
  const rules = readFileSync(String(values.rules), 'utf8')
  try {
    for (let going = true; going; ) {
      keep()
      const { content, usage } = await answer(rules, messages, [{ name: 'Bash' }])
      messages.push({ role: 'assistant', content })
      say('tokens', { in: usage.input_tokens, out: usage.output_tokens })
      const calls = content.filter(({ type }) => type === 'tool_use')
      const words = textIn(content)
      if (words !== '') say('say', { text: words })
      if (calls.length > 0) messages.push({ role: 'user', content: calls.map(result) })
      going = calls.length > 0
    }
    say('end')
  } catch (error) {
    if (flaw === 'hides') say('end')
    else say('error', error instanceof Refused ? error.said : { status: null, message: 'No connection.' })
  }
  keep()
}

async function answer(
  system: string,
  messages: readonly object[],
  tools: readonly object[],
): Promise<{ content: Block[]; usage: { input_tokens: number; output_tokens: number } }> {
  const response = await fetch(`${process.env.ACME_REGION}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': process.env.ACME_API_KEY ?? '' },
    body: JSON.stringify({ model: 'acme-2', system, messages, tools }),
  })
  if (!response.ok) throw new Refused(response.status)
  return response.json() as never
}

function textIn(content: readonly Block[]): string {
  return content.map((block) => block.text ?? '').join('')
}

function result({ id, input }: Block): object {
  say('tool', { id, name: 'shell', command: input?.command })
  let said: string
  try {
    said = execFileSync('sh', ['-c', input?.command ?? ''], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    said = String(error)
  }
  say('tool-done', { id, ok: true })
  return { type: 'tool_result', tool_use_id: id, content: said }
}
