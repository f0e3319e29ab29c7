import { OPENCODE } from './cli.ts'
import { certify } from './jobs.ts'

certify(OPENCODE)
