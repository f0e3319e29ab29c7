import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fakeClaude } from './fake-claude.ts'
import type { Home } from './sandbox-home.ts'

/** A FAKE `claude` whose agents begin a turn and then show nothing, and which answers questions in passing by a script. */
export interface Judging {
  /** The environment in which `ov` finds it, logged in. */
  readonly env: { PATH: string; ANTHROPIC_API_KEY: string }
  /** What its agents were given. */
  heard(): string
  /** The questions it was asked, one after another. */
  asked(): string
  /** How often it was asked. */
  times(): number
  /** From now on this shell script answers. */
  answers(script: string): void
}

/**
 * Puts it first on PATH.
 *
 * @param script answers questions; a shell script
 * @param doing what an agent does beside being silent; a shell script
 */
export function judgingClaude(home: Home, script: string, doing = ''): Judging {
  const folder = mkdtempSync(join(home.path, 'judge-'))
  const file = (name: string) => join(folder, name)
  const read = (name: string) => (existsSync(file(name)) ? readFileSync(file(name), 'utf8') : '')
  const answers = (answer: string) => writeFileSync(file('answer.sh'), answer)
  answers(script)
  const { PATH } = fakeClaude(
    home,
    `case " $* " in *" --no-session-persistence "*)
  cat >> '${file('asked')}'; echo x >> '${file('times')}'; . '${file('answer.sh')}'; exit;;
esac
echo '{"type":"system","subtype":"init","session_id":"11111111-1111-4111-8111-111111111111","model":"fake"}'
exec 3<&0
${doing}
exec cat <&3 >> '${file('heard')}'`,
  )
  return {
    env: { PATH, ANTHROPIC_API_KEY: 'sk-fake-0123456789' },
    heard: () => read('heard'),
    asked: () => read('asked'),
    times: () => read('times').split('x').length - 1,
    answers,
  }
}
