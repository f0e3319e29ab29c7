import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { OvError } from '../errors.ts'
import { writeWhole } from '../os/files.ts'
import { PACKAGE_FOLDER } from '../place.ts'
import { CERTIFICATES_FOLDER, type Certificate, readCertificates, writeCertificate } from './certificate.ts'
import { certificatesPage, withRows } from './tables.ts'

/** The page that has a row for each certificate. */
const PAGE = join(PACKAGE_FOLDER, 'docs', 'runtimes.md')

/** @throws {OvError} `certify.no-source` where `ov` is installed: its documentation is in its source */
export function requireSource(): void {
  if (existsSync(PAGE)) return
  throw new OvError('user', 'certify.no-source', 'The certificates that come with ov are written in its source.', {
    hint: 'Leave --update out; ov runtime certify --json prints them.',
  })
}

/** Writes certificates into the documentation of `ov`, and the tables that are made of all there are. */
export function publish(certificates: readonly Certificate[]): void {
  for (const certificate of certificates) writeCertificate(certificate)
  const all = readCertificates()
  writeWhole(join(CERTIFICATES_FOLDER, 'README.md'), certificatesPage(all))
  writeWhole(PAGE, withRows(readFileSync(PAGE, 'utf8'), all))
}
