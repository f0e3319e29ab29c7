import { OvError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Project } from '../project.ts'
import { senderFor } from './channels.ts'
import { channelsOf } from './channels-of.ts'
import type { Channel } from './store.ts'

/** How a trial message went on a channel. */
export interface Tried {
  readonly channel: Channel
  readonly ok: boolean
  /** What went wrong; null when nothing did. */
  readonly why: string | null
}

/**
 * Sends a message on each channel that is configured, past the outbox.
 *
 * @throws {OvError} `notify.nobody`
 */
export async function tryChannels(project: Project): Promise<Tried[]> {
  const channels = channelsOf(project.config)
  if (channels.length === 0) {
    throw new OvError('user', 'notify.nobody', 'Nothing is configured by which you are told.', {
      hint: 'Put into overstory.local.yaml: notify: { desktop: true }. All of it: ov config explain notify.webhook.url',
    })
  }
  const message = {
    id: newId(),
    project: project.name,
    kinds: ['test'],
    title: `${project.name}: a trial`,
    text: 'This is how ov tells you what needs you.',
    hint: 'ov status',
    count: 1,
    at: project.clock.now(),
  }
  return Promise.all(
    channels.map(async (channel) => {
      const sent = await senderFor(project, channel)(message)
      return { channel, ok: sent.ok, why: sent.ok ? null : sent.why }
    }),
  )
}
