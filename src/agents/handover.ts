import type { AgentRuntime } from '../contract/runtime.ts'
import { write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import { frameMail } from '../mail/frame.ts'
import { nameOf } from '../mail/send.ts'
import { confirmMail, hasOfferable, type Mail, OFFER_LEASE_MS, offerMail, withdrawOffers } from '../mail/store.ts'
import { writeWhole } from '../os/files.ts'
import type { Project } from '../project.ts'
import type { Agent } from './store.ts'
import type { Workplace } from './workplace.ts'

/** No prompt begins with foreign text: to some CLIs a `/` in the first place is a command of their own. */
const TASK = '# Your task\n\n'

/** Mail on its way into an agent's context: offered, not yet seen there. */
export interface Handover {
  /** The next turn's prompt, made of the mail that waits; null when none does. */
  nextPrompt(): Promise<string | null>
  /** Urgent mail as text for the running turn; null when there is none. */
  urgentText(): Promise<string | null>
  /** The runtime took this text into its context: what of the offered mail is in it has been delivered. */
  accepted(text: string): Promise<void>
  /** The turn ran: all that was offered for it has been delivered. */
  settle(): Promise<void>
  /** What was offered was not taken; it is offered again at once. */
  withdraw(): Promise<void>
}

/** Hands mail over at turn boundaries: claim, hand over with its id, see it in the context, mark it delivered. */
export function handoverFor(project: Project, agent: Agent, runtime: AgentRuntime, place: Workplace): Handover {
  let offered: Mail[] = []

  const confirm = async (mails: readonly Mail[]) => {
    if (mails.length === 0) return
    const ids = mails.map((mail) => mail.id)
    offered = offered.filter((mail) => !ids.includes(mail.id))
    await write(project.db, async (tx) => {
      const now = project.clock.now()
      await confirmMail(tx, agent.id, ids, now)
      await recordEvent(tx, {
        at: now,
        type: 'mail.delivered',
        runId: agent.run_id,
        agentId: agent.id,
        data: { mail: ids },
      })
    })
  }

  const offer = async (wanted: (mail: Mail) => boolean): Promise<Mail[]> => {
    if (!(await hasOfferable(project.db, agent.id, project.clock.now(), OFFER_LEASE_MS))) return []
    return write(project.db, async (tx) => {
      const mails = await offerMail(tx, agent.id, project.clock.now(), OFFER_LEASE_MS)
      const left = mails.filter((mail) => !wanted(mail)).map((mail) => mail.id)
      await withdrawOffers(tx, agent.id, left)
      return mails.filter(wanted)
    })
  }

  const framed = async (mails: readonly Mail[]) =>
    frameMail(await Promise.all(mails.map(async (mail) => ({ mail, from: await nameOf(project.db, mail.sender) }))))

  return {
    async nextPrompt() {
      // A command understands no prompt: only its dispatch and a failed merge make it run; other mail it asks for itself.
      const mails = await offer(
        (mail) => runtime.can.prompts || mail.type === 'dispatch' || mail.type === 'merge_failed',
      )
      if (mails.length === 0) return null
      offered.push(...mails)
      const dispatch = mails.find((mail) => mail.type === 'dispatch')
      const rest = mails.filter((mail) => mail !== dispatch)
      const feedback = rest.filter((mail) => mail.type === 'merge_failed')
      if (feedback.length > 0)
        writeWhole(place.feedbackFile, feedback.map((mail) => `# ${mail.subject}\n\n${mail.body}\n`).join('\n'))
      const parts = [
        dispatch && (runtime.can.prompts ? `${TASK}${dispatch.body}` : dispatch.body),
        rest.length > 0 ? await framed(rest) : undefined,
      ]
      return parts.filter((part) => part !== undefined).join('\n\n')
    },
    async urgentText() {
      const mails = await offer((mail) => mail.priority === 'urgent')
      offered.push(...mails)
      return mails.length === 0 ? null : framed(mails)
    },
    // The dispatch is the prompt itself and carries no id; with it in the context, so is what came along.
    accepted: (text) => confirm(offered.filter((mail) => mail.type === 'dispatch' || text.includes(mail.id))),
    settle: () => confirm(offered),
    async withdraw() {
      const ids = offered.map((mail) => mail.id)
      offered = []
      if (ids.length > 0) await write(project.db, (tx) => withdrawOffers(tx, agent.id, ids))
    },
  }
}
