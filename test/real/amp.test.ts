import amp from '../../runtimes/amp.ts'
import { cliOf } from './cli.ts'
import { certify } from './jobs.ts'

certify(cliOf(amp))
