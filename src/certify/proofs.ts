import type { Proof } from './proof.ts'
import { ENDS } from './proofs/ends.ts'
import { FAILURES } from './proofs/failures.ts'
import { GUARD } from './proofs/guard.ts'
import { MAIL } from './proofs/mail.ts'
import { PRIVACY } from './proofs/privacy.ts'
import { QUESTIONS } from './proofs/question.ts'
import { SCREEN } from './proofs/screen.ts'
import { WORK } from './proofs/work.ts'

/** All that a runtime is certified by, in the order of a certificate. */
export const PROOFS: readonly Proof[] = [
  ...WORK,
  ...MAIL,
  ...ENDS,
  ...GUARD,
  ...FAILURES,
  ...PRIVACY,
  ...QUESTIONS,
  ...SCREEN,
]
