import type { Agent } from '../agents/store.ts'
import { HUMAN } from '../contract/mail.ts'
import { findMail, type Mail } from '../mail/store.ts'
import type { Project } from '../project.ts'

/** So many waiting mails are looked at for one that is worth a turn. */
const MANY_MAILS = 200

/** Who has a task takes any mail; who waits for whatever may come is not woken for what can wait itself. */
export async function isWokenByMail({ db, config }: Pick<Project, 'db' | 'config'>, agent: Agent): Promise<boolean> {
  if (agent.persistent === 0) return true
  const waiting = await findMail(db, { reader: agent.id, unread: true }, MANY_MAILS)
  return waiting.some((mail) => isWorthATurn(mail, { merges: config.merge.auto }))
}

/**
 * Whether mail is worth a turn of an agent that waits for whatever may come. What is not comes along with the next that
 * is: a worker's claim (word of its merge will follow), how somebody's work goes, what `ov` itself leaves word of. That
 * way ten workers that end are few turns, not twenty.
 *
 * @param merges whether claims are merged without anybody's doing, so that word of it will come
 */
export function isWorthATurn(
  mail: Pick<Mail, 'type' | 'sender' | 'priority' | 'payload_json'>,
  { merges }: { merges: boolean },
): boolean {
  if (mail.sender === HUMAN || mail.priority === 'urgent') return true
  if (mail.type === 'status') return false
  if (mail.type !== 'worker_done' || !merges) return true
  const { commit }: { commit?: string | null } = JSON.parse(mail.payload_json)
  return commit == null
}
