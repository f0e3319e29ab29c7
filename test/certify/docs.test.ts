import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadRuntime, runtimeIds } from '../../src/agents/registry.ts'
import { CERTIFICATES_FOLDER, holds, readCertificates } from '../../src/certify/certificate.ts'
import { PROOFS } from '../../src/certify/proofs.ts'
import { certificatesPage, withRows } from '../../src/certify/tables.ts'
import { standingOf } from '../../src/contract/versions.ts'
import { PACKAGE_FOLDER } from '../../src/place.ts'

const CERTIFICATES = readCertificates()

test('what the documentation says of certificates is what they say', async () => {
  const page = join(PACKAGE_FOLDER, 'docs', 'runtimes.md')
  await expect(withRows(readFileSync(page, 'utf8'), CERTIFICATES)).toMatchFileSnapshot(page)
  await expect(certificatesPage(CERTIFICATES)).toMatchFileSnapshot(join(CERTIFICATES_FOLDER, 'README.md'))
})

test.each(CERTIFICATES)(
  'the certificate of $runtime has every proof, keeps what is claimed, and is of a certified version',
  async (certificate) => {
    const { certified, can } = await loadRuntime(certificate.runtime)
    expect(standingOf(certificate.version, certified)).toBe('certified')
    expect(certificate.findings.map(({ proof }) => proof)).toEqual(PROOFS.map(({ id }) => id))
    expect(holds(certificate)).toBe(true)
    const steer = certificate.findings.find(({ proof }) => proof === 'steer')
    expect(steer?.result).toBe(can.steer || can.inject ? 'proved' : 'not claimed')
  },
)

test('certificates are of agent CLIs that npm gives', async () => {
  const runtimes = await Promise.all(runtimeIds().map(loadRuntime))
  const given = runtimes.filter(({ trial }) => trial !== undefined && trial.npm !== null)
  expect(given.map(({ id }) => id)).toEqual(expect.arrayContaining(CERTIFICATES.map(({ runtime }) => runtime)))
})

test('proofs have names of their own', () => {
  const ids = PROOFS.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const id of ids) expect(id).toMatch(/^[a-z][a-z0-9-]*$/)
})
