import gemini from '../../runtimes/gemini.ts'
import { cliOf } from './cli.ts'
import { certify } from './jobs.ts'

certify(cliOf(gemini))
