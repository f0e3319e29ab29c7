import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { loadRuntime, runtimeIds } from '../../src/agents/registry.ts'
import { PROOFS } from '../../src/certify/proofs.ts'
import { prove } from '../../src/certify/prove.ts'
import type { Candidate } from '../../src/certify/stage.ts'
import { OV } from '../rig/sandbox-home.ts'
import { type Cli, cliOf } from './cli.ts'
import { installed } from './install.ts'

/** Every proof, for every CLI that npm gives: what `ov runtime certify` sees, in the versions that are certified. */

const runtimes = await Promise.all(runtimeIds().map(loadRuntime))
const CLIS = runtimes.flatMap((runtime) => {
  const { trial } = runtime
  return trial === undefined || trial.npm === null ? [] : [cliOf({ ...runtime, trial })]
})

describe.each(CLIS)('$title', (cli: Cli) => {
  const { runtime, trial, npm } = cli
  let candidate: Candidate
  beforeAll(async () => {
    const program = join(await installed(npm), npm.program)
    candidate = { runtime: { ...runtime, trial }, program, version: npm.version, ov: OV }
  })

  test.concurrent.each(PROOFS)('$title', async (proof) => {
    const finding = await prove(proof, candidate)
    expect(finding.why, proof.id).toBe(finding.result === 'not claimed' ? finding.why : null)
  })
})
