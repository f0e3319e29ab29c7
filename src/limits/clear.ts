import { HUMAN } from '../contract/mail.ts'
import { write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import type { Project } from '../project.ts'
import { type Key, markLifted, openLimits } from './store.ts'

/**
 * Takes limits for over, by a person's word. Who waits for them goes on, one by one.
 * @param which only those of this runtime or provider
 */
export function clearLimits({ db, clock }: Pick<Project, 'db' | 'clock'>, which?: string): Promise<Key[]> {
  return write(db, async (tx) => {
    const now = clock.now()
    const cleared: Key[] = []
    for (const { provider, account, runtime } of await openLimits(tx)) {
      if (which !== undefined && which !== provider && which !== runtime) continue
      if (!(await markLifted(tx, { provider, account }, now))) continue
      await recordEvent(tx, { at: now, type: 'limit.lifted', data: { provider, account, by: HUMAN } })
      cleared.push({ provider, account })
    }
    return cleared
  })
}
