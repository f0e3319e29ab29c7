import { findAgent, getAgent, usedNames } from '../agents/store.ts'
import { HUMAN, SYSTEM } from '../contract/mail.ts'
import type { Db } from '../db/open.ts'
import { OvError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import { oneLine } from './frame.ts'
import { type Mail, mailByPart } from './store.ts'

/** Shortest part of an id that is looked up, in characters. */
const SHORTEST_PART = 4

/**
 * The mail somebody means by its id, or by a beginning or end of it that no other mail has.
 *
 * @param party whose mail may be seen; undefined: everybody's
 * @throws {OvError} `mail.unknown`, `mail.ambiguous`
 */
export async function meantMail(db: Db, id: string, party: string | undefined): Promise<Mail> {
  const part = id.trim().toLowerCase()
  const fits = new RegExp(`^[0-9a-f-]{${SHORTEST_PART},36}$`).test(part)
  const [mail, ...others] = fits ? await mailByPart(db, part, party, 5) : []
  if (!mail) {
    throw new OvError(
      'user',
      'mail.unknown',
      `There is no mail "${oneLine(id, 60)}"${party === undefined ? '' : ' of yours'}.`,
      {
        hint: 'Ids are in: ov mail list',
      },
    )
  }
  if (others.length > 0) {
    throw new OvError('user', 'mail.ambiguous', `"${part}" fits several mails.`, {
      hint: `Give more of it: ${[mail, ...others].map((one) => one.id).join(', ')}`,
    })
  }
  return mail
}

/**
 * The id somebody means by a name in a filter: an agent, at work or ended, `human` or `ov`.
 * @throws {OvError} `mail.no-such-name`
 */
export async function meantParty(db: Db, name: string): Promise<string> {
  if (name === HUMAN || name === SYSTEM) return name
  const agent = (await findAgent(db, name)) ?? (await getAgent(db, name))
  if (agent) return agent.id
  const meant = nearest(name, [...(await usedNames(db)), HUMAN, SYSTEM])
  throw new OvError('user', 'mail.no-such-name', `There is and was no agent "${oneLine(name, 60)}".`, {
    hint: meant === null ? 'See who is there: ov status' : `Did you mean ${meant}?`,
  })
}
