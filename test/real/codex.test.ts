import { CODEX } from './cli.ts'
import { certify } from './jobs.ts'

certify(CODEX)
