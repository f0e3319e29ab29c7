import { Flags } from '@oclif/core'
import type { Started } from '../agents/persistent.ts'
import { type Choice, type Said, sayToCoordinator } from '../coordinator/coordinator.ts'
import { replyOf } from '../coordinator/reply.ts'
import { oneLine, plainText } from '../mail/frame.ts'
import type { MailView } from '../mail/view.ts'
import { viewsOf } from '../mail/view.ts'
import { sayPassedOver } from '../runtimes/fallback.ts'
import { shortId } from './letter-text.ts'
import { MailCommand, textOf } from './mail-command.ts'

/** Flags of everything that may start the coordinator. */
export const CHOICE_FLAGS = {
  runtime: Flags.string({
    char: 'r',
    description: 'agent CLI to start it with (default: as before, else as configured)',
  }),
  model: Flags.string({ char: 'm', description: 'model to start it with, in the words of the runtime' }),
  interactive: Flags.boolean({
    char: 'i',
    allowNo: true,
    description: 'start it on the CLI’s own screen in tmux, where you can type along: ov coordinator attach',
  }),
} as const

/** Flags of everything that may wait for its reply. */
export const TIMEOUT_FLAG = Flags.integer({
  min: 1,
  description: 'seconds to wait; for ever without it',
  helpValue: 'SECONDS',
})

/** What was said to the coordinator and, where it was waited for, what it replied: the document of `--json`. */
export interface Exchange {
  readonly agent: string
  /** What it began with, when it was started for this; `running` when it ran. */
  readonly context: Started['context']
  readonly mail: { readonly id: string; readonly thread: string }
  readonly reply: MailView | null
}

/** What commands share that speak with the coordinator. */
export abstract class CoordinatorCommand extends MailCommand {
  protected async speak(
    words: string,
    {
      as,
      wait,
      timeout,
      ...choice
    }: { as: 'assign' | 'question'; wait: boolean; timeout?: number | undefined } & Given,
  ): Promise<Exchange> {
    const project = await this.project()
    const said = await sayToCoordinator(project, await textOf(words), { as, ...chosen(choice) })
    if (said.context !== 'running') this.say(startedLine(said))
    const { agent, mail, context } = said
    const document = { agent: agent.name, context, mail: { id: mail.id, thread: mail.thread_id } }
    this.say(`Sent to ${agent.name} (${shortId(mail.id)}).`)
    if (!wait) {
      this.say('See what it does: ov coordinator output -f · Its reply comes as mail: ov mail check')
      return { ...document, reply: null }
    }
    return { ...document, reply: await this.#reply(said, timeout) }
  }

  async #reply({ agent, mail }: Said, timeout: number | undefined): Promise<MailView | null> {
    const project = await this.project()
    const { offer, letters } = await replyOf(project, agent, mail, {
      tell: (line) => this.say(line),
      asked: (question) =>
        this.say(
          `${agent.name} asks: ${oneLine(question.subject, 300)}\nAnswer it: ov ask answer ${shortId(question.id)} "…"`,
        ),
      ...(timeout === undefined ? {} : { timeoutMs: timeout * 1000 }),
      gone: this.gone,
    })
    const views = await viewsOf(
      project.db,
      letters.map((letter) => letter.mail),
    )
    const reply = views.findLast((one) => one.type !== 'escalation') ?? null
    if (reply === null) process.exitCode = 1
    this.log(plainText((reply ?? views[0])?.body ?? ''))
    this.confirmOncePrinted(offer, views)
    return reply
  }
}

/** What commands are given of a choice. */
type Given = { [K in keyof Choice]: Choice[K] | undefined }

/** Flags that were given, as a choice. */
export function chosen({ runtime, model, interactive }: Given): Choice {
  return {
    ...(runtime === undefined ? {} : { runtime }),
    ...(model === undefined ? {} : { model }),
    ...(interactive === undefined ? {} : { interactive }),
  }
}

/** What a start came to, for a person. */
export function startedLine({ agent, context, passedOver }: Started): string {
  const instead = passedOver.length === 0 ? '' : ` ${sayPassedOver(passedOver)}.`
  const name = `${agent.name} (${agent.runtime}${agent.model === null ? '' : ` ${oneLine(agent.model, 40)}`})`
  switch (context) {
    case 'running':
      return `${name} runs already.`
    case 'new':
      return `${name} is started.${instead}`
    case 'resumed':
      return `${name} is started again, with its whole conversation.${instead}`
    case 'digest':
      return `${name} is started again. Its conversation is lost: it is told from the records how things stand.${instead}`
  }
}
