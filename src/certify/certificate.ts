import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { listFolder, writeWhole } from '../os/files.ts'
import { PACKAGE_FOLDER } from '../place.ts'

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
  /** How long it took until a failure was told, else in all, set-up left out; in ms. Null where it was not tried. */
  tookMs: z.number().nullable(),
})
export type Finding = z.infer<typeof findingSchema>

/** What was proved of one agent CLI in one version. */
const certificateSchema = z.strictObject({
  runtime: z.string(),
  title: z.string(),
  /** Of the CLI, as it says itself. */
  version: z.string(),
  /** Day of the proof, `YYYY-MM-DD`. */
  date: z.string(),
  /** Version of `ov`. */
  ov: z.string(),
  /** As Node names it: `linux-x64`. */
  platform: z.string(),
  /** What stood before the CLI: a scripted model, an emulation of its vendor's server, or its real service. */
  against: z.enum(['scripted model', 'emulated server', 'real service']),
  findings: z.array(findingSchema),
})
export type Certificate = z.infer<typeof certificateSchema>

/** Whether all that is claimed is proved. */
export function holds({ findings }: Pick<Certificate, 'findings'>): boolean {
  return findings.every(({ result }) => result !== 'failed')
}

/** Certificates that come with `ov`: one file a runtime. */
export const CERTIFICATES_FOLDER = join(PACKAGE_FOLDER, 'docs', 'certificates')

/** All certificates in a folder, by name of the runtime. */
export function readCertificates(folder = CERTIFICATES_FOLDER): Certificate[] {
  return listFolder(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => certificateSchema.parse(JSON.parse(readFileSync(join(folder, file), 'utf8'))))
}

export function writeCertificate(certificate: Certificate, folder = CERTIFICATES_FOLDER): void {
  writeWhole(join(folder, `${certificate.runtime}.json`), `${JSON.stringify(certificate, null, 2)}\n`)
}
