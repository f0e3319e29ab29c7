import { codeOf, messageOf, OvError } from '../errors.ts'

/**
 * Whether an error is nothing that an agent or its runner has done, and passes by itself: a full disk, or a database that
 * others hold for too long.
 */
export function isPassing(error: unknown): boolean {
  if (error instanceof OvError) return error.code === 'db.full' || error.code === 'db.busy'
  if (['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? '')) return true
  // So git says it.
  return /no space left on device|disk quota exceeded|could not write all files/i.test(messageOf(error))
}
