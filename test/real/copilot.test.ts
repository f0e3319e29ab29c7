import copilot from '../../runtimes/copilot.ts'
import { cliOf } from './cli.ts'
import { certify } from './jobs.ts'

certify(cliOf(copilot))
