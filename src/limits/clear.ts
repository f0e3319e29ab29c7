import { HUMAN } from '../contract/mail.ts'
import { write } from '../db/open.ts'
import { OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { oneLine } from '../mail/frame.ts'
import { nearest } from '../nearest.ts'
import type { Project } from '../project.ts'
import { runtimeIds } from '../runtimes/registry.ts'
import { type Key, markLifted, openLimits } from './store.ts'

/**
 * Takes limits for over, by a person's word. Who waits for them goes on, one by one.
 *
 * @param which only those of this runtime or provider
 * @throws {OvError} `limits.unknown` when nothing is called so
 */
export async function clearLimits({ db, clock }: Pick<Project, 'db' | 'clock'>, which?: string): Promise<Key[]> {
  if (which !== undefined) requireKnown(which, await openLimits(db))
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

function requireKnown(which: string, open: readonly { readonly provider: string }[]): void {
  const names = [...new Set([...runtimeIds(), ...open.map(({ provider }) => provider)])]
  if (names.includes(which)) return
  const near = nearest(which, names)
  throw new OvError('user', 'limits.unknown', `There is no runtime or provider "${oneLine(which, 60)}".`, {
    hint: near === null ? 'See what is held up: ov limits' : `Did you mean ${near}?`,
  })
}
