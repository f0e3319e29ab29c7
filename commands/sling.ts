import { Flags } from '@oclif/core'
import { documentOf, saySlung } from '../src/agents/say.ts'
import { OvCommand } from '../src/cli/command.ts'
import { showSteps } from '../src/cli/progress.ts'
import { taskText } from '../src/cli/task-text.ts'
import { CAPABILITIES } from '../src/contract/states.ts'
import { oneLine, plainText } from '../src/mail/frame.ts'
import { exitCodeOf, lineOf, type Outcome } from '../src/tasks/outcome.ts'
import { followTask } from '../src/tasks/progress.ts'

export default class Sling extends OvCommand {
  static override summary = 'Give a task to a new agent, in a worktree of its own'
  static override description =
    `Returns at once; the agent works on. With --wait it shows progress and ends when the task is merged or has failed.

Exit codes with --wait: 0 merged or done · 1 failed or stopped · 3 conflict or red gate after all attempts · 6 only a human can let it be merged · 7 --timeout is over, 130 Ctrl-C (the agent works on).`
  static override examples = [
    '<%= config.bin %> sling --capability builder --task "Implement user authentication"',
    "<%= config.bin %> sling --runtime shell --task Format --command 'npm run format' --wait",
    '<%= config.bin %> sling --interactive --task "Find out why the build is slow"',
    '<%= config.bin %> sling --task-file issue.md --files src/auth --model sonnet --wait --json',
    'cat issue.md | <%= config.bin %> sling --task -',
  ]
  static override flags = {
    capability: Flags.option({ options: CAPABILITIES, default: 'builder' as const })({
      char: 'c',
      description: 'role of the agent',
    }),
    task: Flags.string({
      char: 't',
      description: 'what is to be done; - reads standard input',
      exclusive: ['task-file'],
    }),
    'task-file': Flags.string({ description: 'file that says what is to be done', helpValue: 'FILE' }),
    name: Flags.string({ description: 'name of the agent (default: the next free one, such as builder-3)' }),
    runtime: Flags.string({ char: 'r', description: 'agent CLI to use (default: as configured for the capability)' }),
    model: Flags.string({ char: 'm', description: 'model, in the words of the runtime' }),
    base: Flags.string({ description: 'commit, branch or tag to start from (default: the newest green commit)' }),
    command: Flags.string({ description: 'command line of a shell agent', helpValue: "'npm run format'" }),
    files: Flags.string({
      multiple: true,
      description: 'path the task may change; may be given more than once',
      helpValue: 'PATH',
    }),
    interactive: Flags.boolean({
      char: 'i',
      allowNo: true,
      description:
        'on the CLI’s own screen in tmux, where you can type along: ov attach (default: runtime.<name>.mode)',
    }),
    again: Flags.boolean({ description: 'sling it even if the same task is open' }),
    queue: Flags.boolean({
      allowNo: true,
      default: true,
      description: 'wait for a place when all are taken; --no-queue refuses (exit 4)',
    }),
    wait: Flags.boolean({ char: 'w', description: 'show progress and end when the task is merged or has failed' }),
    timeout: Flags.integer({ min: 1, description: 'seconds to wait with --wait', dependsOn: ['wait'] }),
  }

  protected static override forAgents = 'spawner' as const

  async run() {
    const { flags } = await this.parse(Sling)
    const { 'task-file': file, wait, timeout, json: _json, quiet: _quiet, 'no-input': _input, ...request } = flags
    const slung = await this.call('sling', {
      ...request,
      task: await taskText({ task: flags.task, file, command: flags.command }),
    })
    const { agent, task } = slung
    if (!wait) {
      this.say(saySlung(slung, { insideAgent: this.insideAgent }))
      return documentOf(slung)
    }
    const limit = timeout === undefined ? {} : { timeoutMs: timeout * 1000 }
    let ended: Outcome | undefined
    let failure: unknown
    await showSteps(
      [
        {
          name: `${agent.name} ${oneLine(task.title, 60)}`,
          work: async (tell) => {
            try {
              ended = this.insideAgent
                ? await this.call('task.wait', { task: task.id, ...limit })
                : await followTask(await this.project(), task.id, tell, { ...limit, gone: this.gone })
              return lineOf(ended)
            } catch (error) {
              failure = error
              return { ok: false, line: 'no longer waited for' }
            }
          },
        },
      ],
      { quiet: this.silent },
    )
    if (!ended) throw failure
    process.exitCode = exitCodeOf(ended)
    if (ended.state === 'failed') this.sayWhy(ended)
    return ended
  }

  /** The first line of the reason is said already. */
  private sayWhy({ agent, reason }: Outcome): void {
    const [, ...rest] = plainText(reason ?? '').split('\n')
    for (const line of rest.slice(0, REASON_LINES)) this.say(`  ${line}`)
    if (rest.length > REASON_LINES) this.say(`  … ${rest.length - REASON_LINES} more lines`)
    this.say(`More: ov inspect ${agent}, ov logs ${agent}`)
  }
}

/** Of a long reason (the output of a gate) so many lines are shown. */
const REASON_LINES = 20
