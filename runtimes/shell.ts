import type { AgentRuntime } from '../src/contract/runtime.ts'

/**
 * An agent that is a command: codemods, formatters, dependency bumps. Exit 0 means done, anything else is a
 * failed attempt. It knows no prompts; sent back by a gate it runs again with `OV_FEEDBACK` naming a file.
 */
export default {
  id: 'shell',
  title: 'Shell command',
  binaries: [],
  versionArgs: [],
  certified: [],
  install: 'nothing to install',
  login: { env: [], files: [], hint: 'no login needed' },
  can: {
    structured: 'turn',
    interactive: false,
    resume: false,
    steer: false,
    block: false,
    inject: false,
    usage: false,
    cost: false,
    reports: 'exit',
    prompts: false,
    echo: false,
  },
  environment: [],
  models: {},
  start: ({ command, prompt, privateDir, feedbackFile }) => ({
    protocol: 'turn',
    // The command is the human's own, given to be run by a shell; nothing of an agent's or a repository's text is in it.
    argv: ['/bin/sh', '-c', command ?? 'exit 64'],
    env: {
      OV_TASK: prompt.slice(0, 32 * 1024).toWellFormed(),
      OV_TASK_FILE: `${privateDir}/${TASK_FILE}`,
      ...(feedbackFile === undefined ? {} : { OV_FEEDBACK: feedbackFile }),
    },
    files: [{ path: TASK_FILE, content: prompt }],
    firstPrompt: 'included',
  }),
  sendInput: (text) => ({ by: 'frame', frame: { via: 'stdin', line: text } }),
  deployHooks: () => [],
  getPromptCommand: () => null,
  read: (line) => [{ type: 'text', text: line }],
  exited: ({ code, signal, stdoutTail, stderrTail }) =>
    code === 0
      ? [{ type: 'turn_end', claim: 'done' }]
      : [
          {
            type: 'failed',
            cause: signal === null ? 'refused' : 'crash',
            message:
              `The command ended with ${signal ?? `exit code ${code}`}.\n${`${stdoutTail}\n${stderrTail}`.trim()}`.trim(),
          },
        ],
  answer: () => null,
  interrupt: () => null,
  stopSignal: 'SIGTERM',
  screen: () => ({ is: 'unknown' }),
} satisfies AgentRuntime

/** An environment variable ends at 128 KiB; a task need not. */
const TASK_FILE = 'task.txt'
