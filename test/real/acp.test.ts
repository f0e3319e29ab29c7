import { beforeAll, describe, expect, test } from 'vitest'
import copilot from '../../runtimes/copilot.ts'
import goose from '../../runtimes/goose.ts'
import { PROOFS } from '../../src/certify/proofs.ts'
import { prove } from '../../src/certify/prove.ts'
import type { Candidate } from '../../src/certify/stage.ts'
import type { Setting, Trial } from '../../src/contract/trial.ts'
import { OV } from '../rig/sandbox-home.ts'
import { programOf } from './install.ts'

/** What is not the same for every runtime over ACP: how work gets in, ends, fails and is guarded. */
const ASKED = [
  'work',
  'prompt',
  'mail',
  'resume',
  'children',
  'crash',
  'block',
  'auth',
  'overloaded',
  'dropped',
  'secrets',
]

describe.each([copilot, goose])('$title over ACP', (runtime) => {
  let candidate: Candidate
  beforeAll(async () => {
    const trial: Trial = {
      ...runtime.trial,
      setting(model) {
        const setting: Setting = runtime.trial.setting(model)
        return { ...setting, section: { ...setting.section, mode: 'acp' } }
      },
      refused: 'Authentication',
    }
    const program = await programOf(runtime.trial.npm)
    candidate = {
      runtime: { ...runtime, ...runtime.acp, trial },
      program,
      version: runtime.trial.npm.version,
      own: null,
      ov: OV,
    }
  })

  test.concurrent.each(PROOFS.filter(({ id }) => ASKED.includes(id)))('$title', async (proof) => {
    const { result, why } = await prove(proof, candidate)
    expect(result, why ?? '').toBe('proved')
  })
})
