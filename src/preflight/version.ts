import type { AgentRuntime } from '../contract/runtime.ts'
import { codeOf } from '../errors.ts'
import { oneLine } from '../mail/frame.ts'
import { sha256 } from '../os/digest.ts'
import { fileMark, isShellScript } from '../os/files.ts'
import { run } from '../os/process.ts'
import { remembered } from '../os/remembered.ts'
import { agentEnvironment } from '../runtimes/environment.ts'

/** What a program says of itself. */
export interface Answer {
  /** Null where it did not say. */
  readonly version: string | null
  /**
   * Why there is no version: it took too long, ended with an error, or said something that this CLI does not say, so that
   * it is another program of the same name.
   */
  readonly silent: 'timeout' | 'failed' | 'strange' | null
  /** The first line it printed, where that was no version. */
  readonly said: string | null
  /** A shell script stands in its place. */
  readonly wrapper: boolean
}

/** Longest output that is looked at, in characters. */
const LONGEST = 4_096

/**
 * Asks a program for its version. What it said is remembered for as long as the file stays the same; a script is asked
 * each time, since it may lead to another program by now.
 *
 * @param timeoutMs after so long it is left alone
 */
export async function askVersion(program: string, runtime: AgentRuntime, timeoutMs: number): Promise<Answer> {
  try {
    const wrapper = isShellScript(program)
    let answer: Answer | undefined
    const ask = async () => {
      answer = { ...(await asked(program, runtime, timeoutMs)), wrapper }
      return answer.version
    }
    if (wrapper) await ask()
    const version =
      answer === undefined
        ? await remembered(
            `version-${sha256(program).slice(0, 16)}`,
            JSON.stringify([runtime.id, String(runtime.saysVersion), fileMark(program)]),
            ask,
          )
        : null
    return answer ?? { version, silent: null, said: null, wrapper }
  } catch (error) {
    // It went, or may not be read, between being found and being asked.
    if (codeOf(error) === undefined) throw error
    return { version: null, silent: 'failed', said: null, wrapper: false }
  }
}

async function asked(program: string, runtime: AgentRuntime, timeoutMs: number): Promise<Omit<Answer, 'wrapper'>> {
  const outcome = await run([program, ...runtime.versionArgs], {
    // Not in the repository: some CLIs read their configuration from the working directory at every start.
    cwd: '/',
    env: { ...agentEnvironment(process.env, { environment: [] }, []), NO_COLOR: '1', CI: '1' },
    timeoutMs,
    headOutput: LONGEST,
    maxOutput: LONGEST,
  })
  if (outcome.timedOut) return { version: null, silent: 'timeout', said: null }
  const version = versionIn(outcome.output, runtime)
  if (outcome.ok && version !== null) return { version, silent: null, said: null }
  const said = oneLine(outcome.output.trim().split('\n', 1)[0] ?? '', 120)
  return { version: null, silent: outcome.ok ? 'strange' : 'failed', said: said === '' ? null : said }
}

/** A version, perhaps with the program's name before it. */
const PLAIN = /^(?:[\p{L}][\p{L}\d ._-]{0,40}[ :])?v?(\d+\.\d+(?:\.\d+)*(?:-[\dA-Za-z.]+)?)\b/u

/** The version in what a program printed, among whatever else it had to say; null where there is none. */
export function versionIn(output: string, { saysVersion = PLAIN }: Pick<AgentRuntime, 'saysVersion'>): string | null {
  for (const line of output.split('\n')) {
    const [, version] = saysVersion.exec(line.trim()) ?? []
    if (version !== undefined) return version
  }
  return null
}
