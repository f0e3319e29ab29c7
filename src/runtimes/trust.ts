import { homedir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { readText, writeWhole } from '../os/files.ts'

/*
 * Which files a person has looked at and wants run, by path and digest. It lies in the person's own home, outside any
 * repository: what comes with a clone, a merge or an archive can't say of itself that it is trusted, and what changes is
 * no longer what was looked at.
 */

const trustedSchema = z.record(z.string(), z.string())

function trustFile(): string {
  return join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'overstory', 'trusted.json')
}

function trusted(): Record<string, string> {
  const text = readText(trustFile())
  return text === null ? {} : trustedSchema.parse(JSON.parse(text))
}

/** The digest with which a file was trusted; null for one that nobody trusted. */
export function trustedDigest(path: string): string | null {
  return trusted()[path] ?? null
}

/** Writes down that a file of this digest is trusted; null: that it no longer is. */
export function setTrust(path: string, digest: string | null): void {
  const { [path]: _, ...others } = trusted()
  const next = digest === null ? others : { ...others, [path]: digest }
  writeWhole(trustFile(), `${JSON.stringify(next, null, 2)}\n`, 0o600)
}
