import { messageOf } from '../errors.ts'
import type { Finding } from './certificate.ts'
import { openStage } from './open-stage.ts'
import type { Proof } from './proof.ts'
import type { Candidate } from './stage.ts'

/** Sees for one promise whether an agent CLI keeps it. Whatever goes wrong is the finding. */
export async function prove(proof: Proof, candidate: Candidate, signal?: AbortSignal): Promise<Finding> {
  const finding = { proof: proof.id, why: null, cause: null, did: null, tookMs: null }
  const unclaimed = proof.unclaimed?.(candidate.runtime) ?? null
  if (unclaimed !== null) return { ...finding, result: 'not claimed', why: unclaimed }
  let began = performance.now()
  const took = () => Math.round(performance.now() - began)
  try {
    const stage = await openStage(candidate, proof.stage ?? {}, signal)
    began = performance.now()
    try {
      const { cause = null, did = null, tookMs } = await proof.run(stage)
      return { ...finding, result: 'proved', cause, did, tookMs: tookMs ?? took() }
    } finally {
      await stage.close()
    }
  } catch (error) {
    signal?.throwIfAborted()
    return { ...finding, result: 'failed', why: messageOf(error), tookMs: took() }
  }
}
