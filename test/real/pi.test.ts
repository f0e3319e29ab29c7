import pi from '../../runtimes/pi.ts'
import { cliOf } from './cli.ts'
import { certify } from './jobs.ts'

certify(cliOf(pi))
