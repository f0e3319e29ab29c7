import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../src/clock.ts'
import { type HookFolder, hookFolder } from '../../../src/hooks/folder.ts'
import { openSpool } from '../../../src/hooks/spool.ts'
import type { Row, Taken } from '../row.ts'
import type { Stage } from '../stage.ts'

/** Calls of a hook in one round: one is too short to be timed alone. */
const TIMES = 50
const AGENTS = 25

/** What Claude Code gives its hooks: about 0.6 KB before a tool, and after it the tool's output as well. */
const CALLS = {
  stop: { hook_event_name: 'Stop', stop_hook_active: false, last_assistant_message: 'x'.repeat(300) },
  'tool-start': { hook_event_name: 'PreToolUse', tool_name: 'Bash', tool_input: { command: 'x'.repeat(300) } },
  'tool-end': { hook_event_name: 'PostToolUse', tool_name: 'Bash', tool_response: { stdout: 'x'.repeat(4_000) } },
}
type Call = keyof typeof CALLS

/** An agent's folder as a runner makes it; nobody takes in what its hooks record. */
function agent(stage: Stage, name: string): HookFolder {
  const privateDir = join(stage.home.path, name)
  mkdirSync(join(privateDir, 'bin'), { recursive: true })
  const folder = hookFolder(privateDir)
  openSpool(folder, systemClock)
  return folder
}

function payload(stage: Stage, call: Call): string {
  const path = join(stage.home.path, `${call}.json`)
  const base = {
    session_id: 'x'.repeat(36),
    transcript_path: '/x'.repeat(60),
    cwd: '/x'.repeat(40),
    tool_use_id: 'toolu_1',
  }
  writeFileSync(path, `${JSON.stringify({ ...base, ...CALLS[call] })}\n`)
  return path
}

/** Runs commands with a file as their stdin, each so many times one after the other from one shell; the time of one round of them. */
function fed(stage: Stage, calls: readonly (readonly [command: string, file: string])[]): () => Promise<Taken> {
  const body = calls.map(([command, file]) => `${command} <'${file}' || exit 1`).join('; ')
  const loop = `i=0; while [ $i -lt ${TIMES} ]; do ${body}; i=$((i + 1)); done`
  return async () => {
    const { ms } = await stage.run(['/bin/sh', '-c', loop])
    return { ms: ms / TIMES }
  }
}

/** The spool is emptied before each round, as a runner would; afterwards every call must lie in it. */
function recorded(folders: readonly HookFolder[], calls: number, take: () => Promise<Taken>): () => Promise<Taken> {
  return async () => {
    for (const { spool } of folders) for (const name of readdirSync(spool)) rmSync(join(spool, name))
    const taken = await take()
    for (const { spool } of folders) {
      const found = readdirSync(spool).length
      if (found !== calls) throw new Error(`${calls} calls were made, ${found} are recorded`)
    }
    return taken
  }
}

/** The floor of a hook that records: a shell that writes its input into a new file. */
const writes = (stage: Stage, name: string) => `/bin/sh -c 'LC_ALL=C cat >"$0.$$"' '${join(stage.home.path, name)}'`

function one(figure: 'hook-tool-start' | 'hook-tool-end', call: Call): Row {
  return {
    figure,
    async prepare(stage) {
      const folder = agent(stage, 'agent')
      const file = payload(stage, call)
      return {
        floor: { name: 'sh and cat, into a file', take: fed(stage, [[writes(stage, 'floor'), file]]) },
        ours: {
          name: `ov-hook ${call}`,
          take: recorded([folder], TIMES, fed(stage, [[`'${folder.program}' ${call}`, file]])),
        },
      }
    },
  }
}

export default [
  {
    figure: 'hook-quiet',
    async prepare(stage) {
      const folder = agent(stage, 'agent')
      const file = payload(stage, 'stop')
      return {
        floor: { name: 'sh -c :', take: fed(stage, [['/bin/sh -c :', file]]) },
        ours: {
          name: 'ov-hook stop, no mail',
          take: recorded([folder], TIMES, fed(stage, [[`'${folder.program}' stop`, file]])),
        },
      }
    },
  },
  one('hook-tool-start', 'tool-start'),
  one('hook-tool-end', 'tool-end'),
  {
    figure: 'hooks-of-a-tool-call',
    async prepare(stage) {
      const folder = agent(stage, 'agent')
      const [start, end] = [payload(stage, 'tool-start'), payload(stage, 'tool-end')]
      const floor = writes(stage, 'floor')
      const hook = `'${folder.program}'`
      return {
        floor: {
          name: 'twice sh and cat',
          take: fed(stage, [
            [floor, start],
            [floor, end],
          ]),
        },
        ours: {
          name: 'ov-hook tool-start, tool-end',
          take: recorded(
            [folder],
            2 * TIMES,
            fed(stage, [
              [`${hook} tool-start`, start],
              [`${hook} tool-end`, end],
            ]),
          ),
        },
      }
    },
  },
  {
    figure: 'hooks-of-25-agents',
    async prepare(stage) {
      const folders = Array.from({ length: AGENTS }, (_, at) => agent(stage, `agent-${at}`))
      const file = payload(stage, 'tool-end')
      const atOnce = (commands: readonly string[]) =>
        stage.command(['/bin/sh', '-c', `${commands.map((command) => `${command} <'${file}' &`).join('\n')}\nwait`])
      return {
        floor: {
          name: '25 times sh and cat',
          take: atOnce(folders.map((_, at) => writes(stage, `floor-${at}`))),
        },
        ours: {
          name: '25 times ov-hook tool-end',
          take: recorded(folders, 1, atOnce(folders.map(({ program }) => `'${program}' tool-end`))),
        },
      }
    },
  },
] satisfies Row[]
