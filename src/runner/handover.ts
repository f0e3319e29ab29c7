import type { Agent } from '../agents/store.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import { unmarkMail } from '../hooks/marker.ts'
import {
  confirmDelivery,
  type Delivery,
  letGo,
  type Post,
  settleFallen,
  type Transcript,
  takeMail,
} from '../mail/deliver.ts'
import { frameMail, markOf } from '../mail/frame.ts'
import { hasWaiting, type Wanted } from '../mail/store.ts'
import { writeWhole } from '../os/files.ts'
import { step } from '../steps.ts'
import type { Workplace } from './workplace.ts'

/** No prompt begins with foreign text: to some CLIs a `/` or `#` in the first place is a command of their own. */
const TASK = 'Your task:\n\n'

/** Mail on its way into an agent's context: offered, not yet seen there. */
export interface Handover {
  /** The next turn's prompt, made of the mail that waits; null when none does. */
  nextPrompt(): Promise<string | null>
  /** Gives urgent mail to `steer`, as text for the running turn. When that says false, the mail is offered again. */
  urgent(steer: (text: string) => boolean): Promise<void>
  /** The runtime took this text into its context: what of the offered mail is in it has been delivered. */
  accepted(text: string): Promise<void>
  /**
   * What of the offered mail stands in the transcript has been delivered; without one, all that was offered, unless the
   * runtime's protocol tells of it.
   */
  seen(turn?: { readonly ended?: boolean }): Promise<void>
  /** The turn ran, by a runtime that doesn't echo: all that was offered for it has been delivered. */
  settle(): Promise<void>
  /** Some of what was sent has not been seen to arrive. */
  readonly underway: boolean
  /** What was offered was not taken; it is offered again, unless the transcript has it. */
  withdraw(): Promise<void>
  /** Nothing more will be handed over. What was in hand and stands in the transcript has been delivered. */
  conclude(): Promise<void>
}

/**
 * Hands mail over at turn boundaries: claim, hand over with its id, see it in the context, mark it delivered.
 *
 * @param transcript what is in the agent's context, where its runtime lets one look
 */
export function handoverFor(
  project: Post,
  agent: Agent,
  runtime: AgentRuntime,
  place: Pick<Workplace, 'feedbackFile' | 'privateDir'>,
  transcript?: Transcript,
): Handover {
  const reader = { id: agent.id, fence: agent.fence, ...(transcript === undefined ? {} : { transcript }) }
  /** Ids in hand, by the offer they were taken under. */
  const inHand = new Map<string, Set<string>>()

  const confirm = async (taken: (id: string) => boolean) => {
    for (const [offer, ids] of inHand) {
      const done = [...ids].filter(taken)
      if (done.length > 0) {
        step('mail.seen')
        await confirmDelivery(project, agent.id, offer, done)
        step('mail.confirmed')
      }
      for (const id of done) ids.delete(id)
      if (ids.size > 0) continue
      inHand.delete(offer)
      letGo(offer)
    }
  }

  const take = async (wanted: Wanted): Promise<Delivery | null> => {
    unmarkMail(place.privateDir, wanted.priority === 'urgent' ? 'urgent' : 'all')
    step('mail.unmarked')
    if (!(await hasWaiting(project.db, agent.id, wanted))) return null
    const delivery = await takeMail(project, reader, wanted)
    if (delivery !== null) inHand.set(delivery.offer, new Set(delivery.letters.map(({ mail }) => mail.id)))
    step('mail.offered')
    return delivery
  }

  const giveBack = () => {
    for (const offer of inHand.keys()) letGo(offer)
    inHand.clear()
  }

  return {
    async nextPrompt() {
      // A command understands no prompt: only its dispatch and a failed merge make it run; other mail it asks for itself.
      const delivery = await take(runtime.can.prompts ? {} : { types: ['dispatch', 'merge_failed'] })
      if (delivery === null) return null
      const { letters } = delivery
      const dispatch = letters.find(({ mail }) => mail.type === 'dispatch')
      const rest = letters.filter((letter) => letter !== dispatch)
      const feedback = rest.filter(({ mail }) => mail.type === 'merge_failed')
      if (feedback.length > 0)
        writeWhole(place.feedbackFile, feedback.map(({ mail }) => `# ${mail.subject}\n\n${mail.body}\n`).join('\n'))
      // The dispatch is the prompt itself; its mark goes along, so that the transcript can tell that it arrived.
      const task =
        dispatch &&
        (runtime.can.prompts ? `${TASK}${dispatch.mail.body}\n\n[${markOf(dispatch.mail.id)}]` : dispatch.mail.body)
      const parts = [task, rest.length > 0 ? frameMail(rest) : undefined]
      return parts.filter((part) => part !== undefined).join('\n\n')
    },
    async urgent(steer) {
      const delivery = await take({ priority: 'urgent' })
      if (delivery === null || steer(frameMail(delivery.letters))) return
      inHand.delete(delivery.offer)
      letGo(delivery.offer)
    },
    accepted: (text) => confirm((id) => text.includes(markOf(id))),
    async seen({ ended = false } = {}) {
      // What may be taken back is there for good when its turn has ended.
      if (runtime.transcript?.renews !== undefined && !ended) return
      // Nothing can be looked up; its protocol tells what arrived, or the end of the turn does.
      if (transcript === undefined && runtime.hooksBeside) return
      const there = new Set<string>()
      for (const id of [...inHand.values()].flatMap((ids) => [...ids]))
        if (transcript === undefined || (await transcript.has(markOf(id)))) there.add(id)
      await confirm((id) => there.has(id))
    },
    settle: () => confirm(() => !runtime.can.echo),
    get underway() {
      return inHand.size > 0
    },
    async withdraw() {
      giveBack()
    },
    async conclude() {
      giveBack()
      await settleFallen(project, reader)
    },
  }
}
