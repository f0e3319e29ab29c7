import { dirname } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { PROOFS } from '../../src/certify/proofs.ts'
import { prove } from '../../src/certify/prove.ts'
import type { Candidate } from '../../src/certify/stage.ts'
import { askVersion } from '../../src/preflight/version.ts'
import { OV } from '../rig/sandbox-home.ts'
import { allClis, type Cli } from './cli.ts'
import { programOf } from './install.ts'

/**
 * Every proof, for every CLI that npm gives: what `ov runtime certify` sees, in the versions that are certified, or
 * (`OV_CLIS=latest`, see .ci/drift) in the newest there are.
 */
describe.each(await allClis())('$title', (cli: Cli) => {
  const { runtime, trial } = cli
  let candidate: Candidate
  beforeAll(async () => {
    const program = await programOf(cli.npm)
    // What it is run by may lie beside it.
    process.env.PATH = `${dirname(program)}:${process.env.PATH}`
    const { version } = await askVersion(program, runtime, 20_000)
    if (version === null) throw new Error(`${program} says no version`)
    candidate = { runtime: { ...runtime, trial }, program, version, own: null, ov: OV }
  })

  test.concurrent.each(PROOFS)('$title', async (proof) => {
    const { result, why } = await prove(proof, candidate)
    expect(result, why ?? '').not.toBe('failed')
  })
})
