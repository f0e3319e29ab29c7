import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import * as z from 'zod'
import { NOTICE_KINDS } from '../contract/notices.ts'
import { CAPABILITIES, type Capability, MODES } from '../contract/states.ts'
import { isWithin } from '../os/files.ts'
import { isSafeAddress } from './address.ts'
import { A_DURATION, DURATION, readDuration } from './duration.ts'
import { type RuntimeSection, SECTION_DEFAULTS } from './runtime-section.ts'

/** Node's timers end at 2³¹ ms; a longer one would fire at once. */
const LONGEST_HOURS = 24 * 24

/** `60s`, `2m`, `1h`, `500ms`, or a number of seconds; gives milliseconds. */
const duration = z
  .union([z.string().regex(DURATION, A_DURATION), z.number()], {
    error: A_DURATION,
  })
  .transform((value) => {
    if (typeof value === 'number') return value * 1000
    return readDuration(value) ?? 0
  })
  .refine((ms) => ms > 0 && ms <= LONGEST_HOURS * 3_600_000, `must be more than 0 and at most ${LONGEST_HOURS}h`)

const SIZES = { MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 } as const
const SIZE = /^(\d+(?:\.\d+)?)(MB|GB|TB)$/

/** `512MB`, `2GB`; gives bytes. */
const size = z
  .string({ error: 'must be a size such as 512MB or 2GB' })
  .regex(SIZE, 'must be a size such as 512MB or 2GB')
  .transform((text) => {
    const [, amount = '0', unit = 'MB'] = SIZE.exec(text) ?? []
    return Number(amount) * SIZES[unit as keyof typeof SIZES]
  })

/** Percent of the time; at 100 it is never too much. */
const share = z.number().min(1).max(100)

/** A path as people write it: `~` is the home folder. */
export const path = z
  .string()
  .min(1)
  .transform((text) => (text === '~' || text.startsWith('~/') ? join(homedir(), text.slice(1)) : text))

const line = z
  .string()
  .min(1)
  .regex(/^[^\p{Cc}]*$/u, 'must be one line of plain text')

/** A key of the keyboard, as tmux knows it. */
const key = z
  .string()
  .regex(
    /^(Enter|Escape|Up|Down|Left|Right|Tab|Space|[A-Za-z0-9])$/,
    'must be Enter, Escape, Up, Down, Left, Right, Tab, Space, or one letter or digit',
  )

const gateName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
    'must be a name (letters, digits, dots, dashes); for a command of your own write {name: …, command: …}',
  )

const gate = z.union(
  [gateName, z.strictObject({ name: gateName, command: z.string().min(1), timeout: duration.optional() })],
  { error: 'must be the name of a gate, or {name: …, command: …, timeout: …}' },
)

const gates = z.array(gate).superRefine((list, context) => {
  const seen = new Set<string>()
  for (const [index, entry] of list.entries()) {
    const name = typeof entry === 'string' ? entry : entry.name
    if (seen.has(name))
      context.addIssue({ code: 'custom', path: [index], message: `names the gate "${name}" a second time` })
    seen.add(name)
  }
})

/** One optional entry a capability. */
export function perCapability<T extends z.ZodType>(entry: (capability: Capability) => T) {
  const shape = Object.fromEntries(CAPABILITIES.map((capability) => [capability, entry(capability).optional()]))
  return z.strictObject(shape as Record<Capability, z.ZodOptional<T>>)
}

const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable; its value stays outside')

const section = z.strictObject({
  binary: path
    .refine(
      (text) => isAbsolute(text) || !text.includes('/'),
      'must be a name to look for on PATH, or an absolute path',
    )
    .optional()
    .describe('Name or path of its program. Unset: its usual names are looked for on PATH.')
    .meta({ examples: ['~/.local/bin/claude'] }),
  args: z.array(z.string()).prefault(SECTION_DEFAULTS.args).describe('Arguments added to every start of it.'),
  mode: z
    .enum(MODES)
    .default(SECTION_DEFAULTS.mode)
    .describe(
      'structured: driven over pipes; ov logs and ov attach show its words and tools. acp: the same over the Agent Client Protocol, where its CLI speaks it. interactive: on its own screen in tmux, where you can type along.',
    ),
  env: z
    .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*\*?$/, 'must be the name of a variable; its value stays outside'))
    .prefault(SECTION_DEFAULTS.env)
    .describe(
      'Names of environment variables its agents may see, beyond the safe ones. A * at the end matches any rest.',
    )
    .meta({ examples: [['DATABASE_URL', 'AWS_*']] }),
  gateway: z
    .strictObject({
      baseUrl: variable
        .optional()
        .describe('Name of the environment variable that holds the address.')
        .meta({ examples: ['LLM_GATEWAY_URL'] }),
      key: variable
        .optional()
        .describe('Name of the environment variable that holds the key for there.')
        .meta({ examples: ['LLM_GATEWAY_KEY'] }),
    })
    .optional()
    .describe('Another address than its vendor’s, for runtimes that take one by variables.'),
})

/**
 * The whole of `overstory.yaml`: what may stand in it, what it means (the descriptions are the only ones there are)
 * and what holds where nothing stands. Unknown keys are refused. Without a default, a key is off or found out.
 *
 * @param runtimes ids of all runtimes: each may have a section of its own
 */
export function configSchemaFor(runtimes: readonly string[]) {
  const sections = Object.fromEntries(
    runtimes.map((id) => [
      id,
      section.optional().describe(`Settings of ${id}. Each runtime may have a section like this, under its own name.`),
    ]),
  )
  return z.strictObject({
    project: z
      .strictObject({
        name: line
          .optional()
          .describe('What the project is called. Unset: the name of its folder.')
          .meta({ examples: ['my-project'] }),
        root: path
          .optional()
          .describe(
            'The repository this file speaks about; ~ is your home folder, a relative path starts at this file. Unset, or where it does not exist: the repository the file lies in.',
          )
          .meta({ examples: ['~/projects/my-project'] }),
        canonicalBranch: line
          .optional()
          .describe(
            'The branch that always stays green and that finished work is merged into. Unset: the default branch of origin, else main or master.',
          )
          .meta({ examples: ['main'] }),
        qualityGates: gates
          .prefault([])
          .describe(
            'Checks that must pass on the exact merged commit before it lands. A name (tests-pass, lint-clean, type-check, build) stands for the command found in the project; anything else is written out, with a timeout of its own if wanted.',
          )
          .meta({ examples: [['tests-pass', { name: 'e2e', command: 'npm run e2e', timeout: '15m' }]] }),
      })
      .prefault({})
      .describe('The repository, and when its work counts as done.'),
    agents: z
      .strictObject({
        manifest: path
          .prefault('agent-manifest.json')
          .describe(
            'File that changes what the roles are, in JSON or YAML. Where it is missing the built-in roles hold.',
          ),
        maxConcurrent: z
          .int()
          .min(1)
          .max(500)
          .default(5)
          .describe('Agents at work at the same time. Further tasks wait in a queue.'),
        maxDepth: z.int().min(0).max(10).default(3).describe('How deep agents may sling agents. 0: only you may.'),
        maxSessionsPerRun: z
          .int()
          .min(1)
          .max(100_000)
          .default(100)
          .describe('Agents that one run (one outing of the fleet) may have in all.'),
        startTimeout: duration
          .prefault('120s')
          .describe(
            'An agent CLI that has printed nothing for so long after its first prompt hangs, and fails its task.',
          ),
        contain: z
          .boolean()
          .default(true)
          .describe(
            'Hold the processes of an agent together where this machine can (bubblewrap, else unshare, else setpriv), so that all of them end with their runner. Inside, programs gain no privileges: set it to false where agents need sudo.',
          ),
      })
      .prefault({})
      .describe('How many agents there may be, and who they are.'),
    worktrees: z
      .strictObject({
        baseDir: path
          .prefault('.overstory/worktrees')
          .describe('Folder for the worktrees of agents, relative to the project or absolute.'),
        setup: z
          .array(z.string().min(1))
          .prefault([])
          .describe('Commands run in every fresh worktree, before its agent starts and before gates are run.')
          .meta({ examples: [['npm ci']] }),
        copy: z
          .array(
            z
              .string()
              .min(1)
              .refine((file) => isWithin('/project', file), 'must be a file inside the project, relative to it'),
          )
          .prefault([])
          .describe('Ignored files that a worktree needs too. They are copied from the project where they exist.')
          .meta({ examples: [['.env']] }),
        pool: z
          .int()
          .min(0)
          .max(100)
          .default(0)
          .describe(
            'Worktrees kept prepared, so that an agent starts at once in a large repository (from some thousand files on). Clean ones of agents that are done are used again. 0: each is made when it is needed.',
          ),
      })
      .prefault({})
      .describe('Where agents work.'),
    merge: z
      .strictObject({
        auto: z.boolean().default(true).describe('Merge and land finished work by itself. Off: ov merge does it.'),
        maxAttempts: z
          .int()
          .min(1)
          .max(20)
          .default(3)
          .describe('Attempts an agent has in all, when conflicts or red gates send its work back.'),
        gateTimeout: duration
          .prefault('10m')
          .describe('Time for one gate, or one set-up command, that names no other.'),
      })
      .prefault({})
      .describe('How finished work reaches the canonical branch.'),
    limits: z
      .strictObject({
        backoff: duration
          .prefault('60s')
          .describe('First wait at a limit, an outage or an overload that names no end. It doubles each time.'),
        longest: duration.prefault('30m').describe('Longest such wait.'),
        spacing: duration
          .prefault('5s')
          .describe('Time between one agent and the next of those that go on when a limit is over.'),
        fallbackAfter: duration
          .prefault('10m')
          .describe('A limit that holds longer than this moves its agents to the next of runtime.fallback.'),
      })
      .prefault({})
      .describe('What happens when a provider lets an account do no more for a while.'),
    watchdog: z
      .strictObject({
        tier0: z
          .strictObject({
            enabled: z.boolean().default(true).describe('Nudge agents that are silent.'),
            interval: duration
              .prefault('60s')
              .describe('Time between two looks at everything. Deaths, mail and commits wake the watchdog at once.'),
            nudgeAfter: duration
              .prefault('120s')
              .describe('A working agent that has shown nothing for so long (no event, no output) is nudged.'),
            nudges: z
              .int()
              .min(0)
              .max(20)
              .default(3)
              .describe(
                'Nudges for one silence. When they do not help, the next tier is asked. Any sign of life begins anew.',
              ),
            nudgeEvery: duration
              .prefault('120s')
              .describe('Time between two nudges, and from the last to the next tier.'),
            toolLimit: duration
              .prefault('30m')
              .describe(
                'So long a tool that runs, processes that compute or a screen that changes count as work, however silent the agent is.',
              ),
            loopAfter: z
              .int()
              .min(2)
              .max(12)
              .default(5)
              .describe(
                'An agent that makes the same call with the same outcome so often in a row, or meets the same error, without a commit in between, goes in circles: it is told once, then the next tier is asked.',
              ),
          })
          .prefault({})
          .describe('Its mechanical tier.'),
        tier1: z
          .strictObject({
            enabled: z.boolean().default(true).describe('Ask a model about agents that nudges do not help.'),
            runtime: line
              .optional()
              .describe(
                'The runtime that is asked. Unset: runtime.default, else the first of runtime.fallback that can be asked.',
              )
              .meta({ examples: ['claude'] }),
            model: line
              .prefault('claude-haiku')
              .describe('The model that is asked. Where the runtime does not have it, its own default is asked.'),
            timeout: duration.prefault('60s').describe('A question without an answer for so long is given up.'),
            atOnce: z.int().min(1).max(20).default(2).describe('Questions that are asked at the same time.'),
            perHour: z.int().min(0).max(1_000).default(20).describe('Questions that are asked in an hour, in all.'),
            cacheFor: duration
              .prefault('10m')
              .describe('So long a verdict holds for an agent about which nothing has changed.'),
          })
          .prefault({})
          .describe('Its triage tier: a model proposes, from a fixed list; nobody is stopped by its word alone.'),
        tier2: z
          .strictObject({
            enabled: z
              .boolean()
              .default(true)
              .describe('Mail the monitor agent (ov monitor start), while it runs, what patterns the fleet shows.'),
            every: duration
              .prefault('10m')
              .describe('Such mail comes at most this often, and only with something new.'),
          })
          .prefault({})
          .describe('Its judging tier: an agent that may only propose, and write.'),
        tier3: z
          .strictObject({
            enabled: z
              .boolean()
              .default(true)
              .describe('Ask whom an agent reports to, and at last you, about agents that nothing else helps.'),
            answerWithin: duration
              .prefault('15m')
              .describe(
                'An agent that is asked and has not answered for so long is passed over: the next above is asked.',
              ),
          })
          .prefault({})
          .describe('Its last tier: whoever is above, and you.'),
        dialogs: z
          .array(
            z.union([z.literal('known'), z.strictObject({ match: line.min(3), answer: z.array(key).min(1).max(10) })], {
              error: 'must be known, or {match: words of the question, answer: [keys]}',
            }),
          )
          .prefault(['known'])
          .describe(
            'What may be answered on the screens of agents without a person, in order. known: dialogs at the start to which the adapter of the runtime knows the safe answer (trust this folder, use this key). match: what is asked in these words, with these keys (Enter, Escape, Up, Down, Left, Right, Tab, Space, or one letter or digit). Each answer is recorded; all else waits for you. []: nothing is answered.',
          )
          .meta({ examples: [['known', { match: 'use this API key', answer: ['1', 'Enter'] }]] }),
        deadlines: perCapability((capability) =>
          duration
            .describe('A task that takes longer is handed to the next tier, once. Unset: it may take its time.')
            .meta({ examples: [capability === 'builder' ? '2h' : '1h'] }),
        )
          .prefault({})
          .describe('How long a task of each capability may take, from the start of its agent.'),
      })
      .prefault({})
      .describe('Who notices that an agent hangs.'),
    load: z
      .strictObject({
        enabled: z
          .boolean()
          .default(true)
          .describe(
            'Let new agents wait while the machine is short of something, and do less. Off: only ov mode does.',
          ),
        minMemory: size
          .optional()
          .describe(
            'Memory that is kept free; below it no agent starts beside others. Unset: 512MB, or a tenth of what the machine has where that is less.',
          )
          .meta({ examples: ['1GB'] }),
        perAgentMemory: size
          .prefault('256MB')
          .describe('Memory that must be free beyond that for each agent that starts.'),
        minDisk: size
          .optional()
          .describe(
            'Space kept free where state and worktrees lie; below it no agent starts beside others, and with a tenth of it nothing is written any more. Unset: 1GB, or a twentieth of a smaller disk.',
          )
          .meta({ examples: ['2GB'] }),
        maxCpuPressure: share
          .default(90)
          .describe('Percent of the last minute in which somebody had to wait for a core (PSI) …'),
        maxLoadPerCore: z
          .number()
          .min(1)
          .max(10_000)
          .default(50)
          .describe(
            '… and processes that want each core: above both (without PSI: above this) no agent starts beside others.',
          ),
        maxMemoryPressure: share
          .default(40)
          .describe(
            'Percent of the last 10 seconds in which everybody had to wait for memory (PSI). 100: never too much.',
          ),
        maxIoPressure: share
          .default(95)
          .describe(
            'Percent of the last minute in which everybody had to wait for the disk (PSI). 100: never too much.',
          ),
      })
      .prefault({})
      .describe('What is kept free on this machine (docs/load.md).'),
    notify: z
      .strictObject({
        on: z
          .array(z.enum(NOTICE_KINDS))
          .prefault([...NOTICE_KINDS])
          .describe('What you are told of.'),
        desktop: z
          .boolean()
          .default(false)
          .describe('Tell you on this desktop, by notify-send or osascript, where one of them is.'),
        command: z
          .array(z.string().min(1))
          .min(1)
          .refine(
            ([program = '']) => isAbsolute(program) || !program.includes('/'),
            'must begin with the name of a program on PATH, or an absolute path',
          )
          .optional()
          .describe(
            'A program of yours and its arguments, run without a shell; the message is on its standard input as JSON, and in OV_NOTICE_TITLE, OV_NOTICE_TEXT, OV_NOTICE_HINT. Only in overstory.local.yaml or your own settings, never in a committed file.',
          )
          .meta({ examples: [['ntfy-send', '--topic', 'fleet']] }),
        webhook: z
          .strictObject({
            url: z
              .string()
              .refine(isSafeAddress, 'must be an https address without a password, or http on loopback')
              .describe('Where the message is posted as JSON. Only in overstory.local.yaml or your own settings.')
              .meta({ examples: ['https://hooks.example.com/fleet'] }),
            secret: variable
              .optional()
              .describe('Name of the environment variable whose value signs the body (X-Ov-Signature, HMAC-SHA-256).')
              .meta({ examples: ['FLEET_HOOK_SECRET'] }),
            timeout: duration.prefault('10s').describe('Time for one attempt.'),
          })
          .optional()
          .describe('An address that is told.'),
      })
      .prefault({})
      .describe('How you are told outside ov of what needs you.'),
    models: perCapability((capability) =>
      z
        .union([line, z.record(z.string(), line)], {
          error: 'must be a model, the name of a runtime, or one model for each runtime: {claude: …, codex: …}',
        })
        .describe(
          'A model, or the name of a runtime, or one model for each runtime: {claude: sonnet, codex: gpt-6}. Unset: the default model of the runtime.',
        )
        .meta({ examples: [MODEL_EXAMPLES[capability]] }),
    )
      .prefault({})
      .describe(
        'The model each capability works with. The name of a runtime means that runtime with its own default model.',
      ),
    runtime: z
      .strictObject({
        default: line.prefault('claude').describe('The agent CLI that agents are, where nothing else says another.'),
        capabilities: perCapability(() =>
          line.describe('The name of a runtime. Unset: runtime.default.').meta({ examples: ['claude'] }),
        )
          .prefault({})
          .describe('Another agent CLI for some capabilities.'),
        fallback: z
          .array(line)
          .prefault([])
          .describe(
            'Runtimes that are taken, in this order, where the one that is configured is not installed, not logged in, or held up by its provider. One that is named by --runtime is never replaced.',
          )
          .meta({ examples: [['codex', 'gemini']] }),
        own: z
          .boolean()
          .default(false)
          .describe(
            'Use adapters of your own in .overstory/runtimes. Each has to be trusted on this machine as well: ov runtime trust.',
          ),
        ...sections,
      })
      .prefault({})
      .describe('Which agent CLIs are used, and how.')
      .transform(({ default: preferred, capabilities, fallback, own, ...rest }) => ({
        default: preferred,
        capabilities,
        fallback,
        own,
        sections: rest as Readonly<Record<string, RuntimeSection | undefined>>,
      })),
  })
}

const MODEL_EXAMPLES: Readonly<Record<Capability, string>> = {
  coordinator: 'claude-opus-4',
  lead: 'claude-opus-4',
  scout: 'claude-haiku',
  builder: 'claude-sonnet-4',
  reviewer: 'claude-sonnet-4',
  merger: 'claude-sonnet-4',
  monitor: 'claude-haiku',
}

export type ConfigSchema = ReturnType<typeof configSchemaFor>
export type Config = z.output<ConfigSchema>
