import about from '../../package.json' with { type: 'json' }
import type { Certificate, Finding } from './certificate.ts'
import { PROOFS } from './proofs.ts'
import { prove } from './prove.ts'
import type { Candidate } from './stage.ts'

export interface CertifyOptions {
  /** Told of each finding, as they come. */
  readonly each: (finding: Finding) => void
  /** Lets a proof begin when it is its turn. */
  readonly slot: <T>(work: () => Promise<T>) => Promise<T>
  readonly signal?: AbortSignal
}

/** Puts an agent CLI to every proof, and gives its certificate, with the findings in the order of the list. */
export async function certify(candidate: Candidate, { each, slot, signal }: CertifyOptions): Promise<Certificate> {
  const findings = await Promise.all(
    PROOFS.map((proof) =>
      slot(async () => {
        const finding = await prove(proof, candidate, signal)
        each(finding)
        return finding
      }),
    ),
  )
  const { wire } = candidate.runtime.trial
  return certificateOf(candidate, wire === 'amp' ? 'emulated server' : 'scripted model', findings)
}

/** Signs what was found. */
export function certificateOf(
  { runtime, version }: Candidate,
  against: Certificate['against'],
  findings: readonly Finding[],
): Certificate {
  return {
    runtime: runtime.id,
    title: runtime.title,
    version,
    date: new Date().toISOString().slice(0, 10),
    ov: about.version,
    platform: `${process.platform}-${process.arch}`,
    against,
    findings: [...findings],
  }
}
