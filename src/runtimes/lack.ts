import type { Agent } from '../agents/store.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import { OvError } from '../errors.ts'
import { accountHere, loginNamed } from '../limits/account.ts'
import type { Project } from '../project.ts'
import { gatewayTrouble } from './environment.ts'
import { isLoggedOut } from './login.ts'
import { programOf } from './programs.ts'

/** What this process, in its environment, has not got to start an agent; another terminal may have it. */
export interface Lack {
  readonly is: 'program' | 'gateway' | 'screen' | 'login'
  /** In a sentence. */
  readonly text: string
  /** What to type, where it is there or when it is. */
  readonly hint: string
}

/** What an agent is to be started with. */
type Start = Pick<Agent, 'mode' | 'model' | 'account'>

/**
 * What this process lacks to start an agent; null for nothing. An agent works by the account it was slung with, or has
 * worked by: with another login it might be refused, or somebody else might pay for it.
 *
 * @param asked a person asked for it here: any login of its runtime will do
 */
export function lackOf(
  project: Pick<Project, 'config' | 'tmux'>,
  runtime: AgentRuntime,
  agent: Start,
  { asked = false } = {},
): Lack | null {
  const { config } = project
  const program = noProgram(project, runtime)
  if (program !== null) return { is: 'program', text: program, hint: 'Where it is installed: ov up' }
  const gateway = gatewayTrouble(config, runtime)
  if (gateway !== null) return { is: 'gateway', text: gateway, hint: 'Where it is set: ov up' }
  if (agent.mode === 'interactive' && project.tmux === null)
    return { is: 'screen', text: 'It needs a screen, and there is no tmux on PATH here.', hint: 'Where tmux is: ov up' }
  return noLogin(project, runtime, agent, asked)
}

function noProgram({ config }: Pick<Project, 'config'>, runtime: AgentRuntime): string | null {
  try {
    programOf(config, runtime)
    return null
  } catch (error) {
    if (error instanceof OvError) return error.message
    throw error
  }
}

function noLogin(
  { config }: Pick<Project, 'config'>,
  runtime: AgentRuntime,
  { account, model }: Start,
  asked: boolean,
): Lack | null {
  const here = accountHere(config, runtime, model)
  const login = account === null ? null : loginNamed(account)
  // Of a login that was not seen even by who slung it, nothing can be missing here.
  if (account !== null && (account === here || login === null)) return null
  const loggedOut = isLoggedOut(config, runtime)
  if (!loggedOut && (asked || login === null)) return null
  if (login === null)
    return {
      is: 'login',
      text: `Nobody is logged in to ${runtime.title} here.`,
      hint: `${runtime.login.hint} && ov up`,
    }
  const other = here === null ? null : loginNamed(here)
  const instead = other === null ? 'which is not there' : other === login ? 'and here it is another' : `not ${other}`
  return {
    is: 'login',
    text: `Its login is ${login}, ${instead}.`,
    hint: loggedOut
      ? `Where ${login} is the one it was slung with: ov up`
      : 'To have it go on with the login here: ov up',
  }
}
