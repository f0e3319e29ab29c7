import * as z from 'zod'

/** What became of one proof. */
const findingSchema = z.strictObject({
  proof: z.string(),
  result: z.enum(['proved', 'failed', 'not claimed']),
  /** Why it failed or is not claimed; null where it is proved. */
  why: z.string().nullable(),
  /** What `ov` took a failure for; null where nothing failed. */
  cause: z.string().nullable(),
  /** What `ov` did, in a few words. */
  did: z.string().nullable(),
  /** How long it took, set-up left out, in ms; null where it was not tried. */
  tookMs: z.number().nullable(),
})
export type Finding = z.infer<typeof findingSchema>
