import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CERTIFICATES_FOLDER, readCertificates } from '../../src/certify/certificate.ts'
import { PROOFS } from '../../src/certify/proofs.ts'
import { certificatesPage, withRows } from '../../src/certify/tables.ts'
import { standingOf } from '../../src/contract/versions.ts'
import { PACKAGE_FOLDER } from '../../src/place.ts'
import { loadRuntime, runtimeIds } from '../../src/runtimes/registry.ts'

const CERTIFICATES = readCertificates()

test('what the documentation says of certificates is what they say', async () => {
  const page = join(PACKAGE_FOLDER, 'docs', 'runtimes.md')
  await expect(withRows(readFileSync(page, 'utf8'), CERTIFICATES)).toMatchFileSnapshot(page)
  await expect(certificatesPage(CERTIFICATES)).toMatchFileSnapshot(join(CERTIFICATES_FOLDER, 'README.md'))
})

test.each(CERTIFICATES)(
  'the certificate of $runtime is of a certified version, and of all that is claimed now',
  async (certificate) => {
    const runtime = await loadRuntime(certificate.runtime)
    const { trial } = runtime
    if (trial === undefined) throw new Error('it has no trial')
    expect(standingOf(certificate.version, runtime.certified)).toBe('certified')
    const claimed = PROOFS.map(({ id, unclaimed }) => {
      const why = unclaimed?.({ ...runtime, trial }) ?? null
      return { proof: id, result: why === null ? 'proved' : 'not claimed', why }
    })
    expect(certificate.findings.map(({ proof, result, why }) => ({ proof, result, why }))).toEqual(claimed)
  },
)

test('every agent CLI that npm gives has a certificate', async () => {
  const runtimes = await Promise.all(runtimeIds().map(loadRuntime))
  const given = runtimes.filter(({ trial }) => trial !== undefined && trial.npm !== null)
  expect(CERTIFICATES.map(({ runtime }) => runtime)).toEqual(given.map(({ id }) => id))
})

test('proofs have names of their own', () => {
  const ids = PROOFS.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const id of ids) expect(id).toMatch(/^[a-z][a-z0-9-]*$/)
})
