import * as z from 'zod'

/** What became of one proof. */
export const findingSchema = z.strictObject({
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

/** What was proved of one agent CLI in one version. */
export const certificateSchema = z.strictObject({
  runtime: z.string(),
  title: z.string(),
  /** Of the CLI, as it says itself; null when it did not say. */
  version: z.string().nullable(),
  /** Day of the proof, `YYYY-MM-DD`. */
  date: z.string(),
  /** Version of `ov`. */
  ov: z.string(),
  /** As Node names it: `linux-x64`. */
  platform: z.string(),
  /**
   * What it was proved with: the CLI itself before a scripted model, the CLI itself before an emulation of its vendor's
   * server, a program of ours in its place, or the CLI itself and its real service.
   */
  against: z.enum(['scripted model', 'emulated server', 'fake CLI', 'real service']),
  findings: z.array(findingSchema),
})
export type Certificate = z.infer<typeof certificateSchema>

/** Whether all that is claimed is proved. */
export function holds({ findings }: Pick<Certificate, 'findings'>): boolean {
  return findings.every(({ result }) => result !== 'failed')
}
