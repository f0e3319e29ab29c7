import { afterEach, beforeEach, expect, test } from 'vitest'
import type { MailHead } from '../../src/mail/view.ts'
import { makeFleet } from '../rig/fleet.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'
import { talkingClaude } from '../rig/talking-claude.ts'

/* An agent that waits for an answer, from outside, with a FAKE `claude` that talks (test/rig/talking-claude.ts). */

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

const QUESTIONS = 15

test('each answer ends its wait by being there: no agent is told that its wait is over without it', async () => {
  const { env, heard } = talkingClaude(
    home,
    `
      cat > /dev/null
      asked=$(cat '${home.path}/asked' 2> /dev/null || echo 0)
      if [ "$asked" -eq ${QUESTIONS} ]; then ov done --no-changes --summary 'Asked enough' > /dev/null; exit; fi
      echo $((asked + 1)) > '${home.path}/asked'
      ov ask "Question $((asked + 1))" > /dev/null
    `,
  )
  const { repo } = await makeFleet(home, { config: 'runtime: { default: claude }\n' })
  const ov = (...args: string[]) => home.ov(repo, args, { env })
  const slung = ov('sling', '--task', 'Ask a lot', '--wait')
  for (let number = 1; number <= QUESTIONS; number++) {
    const unanswered = async () => {
      const { mail }: { mail: MailHead[] } = JSON.parse((await ov('mail', 'check', '--json')).stdout)
      return mail.find(({ subject }) => subject === `Question ${number}`)?.id
    }
    let question: string | undefined
    await expect.poll(async () => (question ??= await unanswered())).toBeDefined()
    await expect.poll(async () => (await ov('status')).output).toContain('waiting on human')
    await ov('mail', 'reply', question ?? '', '--body', `Answer ${number}.`)
  }
  expect((await slung).code).toBe(0)
  const prompts = heard().map(({ prompt }) => prompt)
  expect(prompts.filter((prompt) => prompt.includes('What you waited for is over'))).toEqual([])
  for (let number = 1; number <= QUESTIONS; number++)
    expect(prompts.filter((prompt) => prompt.includes(`Answer ${number}.`))).toHaveLength(1)
})
