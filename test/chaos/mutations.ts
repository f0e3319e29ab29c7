import type { Change } from './variant.ts'

/** Something that keeps a promise, how `ov` would be without it, and what must go red then. */
export interface Mutation {
  /** Named for the protection that it takes away. */
  readonly protection: string
  /** All that protects: where two things do, taking one away is no harm. */
  readonly without: readonly Change[]
  /** Tests of which at least one goes red. `part`: a part of the chaos suite. */
  readonly red: { readonly file: string; readonly title?: string; readonly build?: boolean } | { readonly part: string }
}

const gone = (file: string, snippet: string): Change => ({ file, snippet, instead: '' })
const other = (file: string, snippet: string, instead: string): Change => ({ file, snippet, instead })

export const MUTATIONS: readonly Mutation[] = [
  {
    protection: 'every write of an owner names its fence',
    without: [
      other(
        'src/agents/store.ts',
        "    .set(patch)\n    .where('id', '=', own.id)\n    .where('fence', '=', own.fence)\n",
        "    .set(patch)\n    .where('id', '=', own.id)\n",
      ),
    ],
    red: { file: 'test/runner/ownership.test.ts', title: 'every write of an owner' },
  },
  {
    protection: 'nobody is taken over by two at once',
    without: [
      other(
        'src/agents/store.ts',
        "    .where('fence', '=', agent.fence)\n    .where('state', 'in', [...from])\n",
        "    .where('state', 'in', [...from])\n",
      ),
    ],
    red: { file: 'test/runner/ownership.test.ts', title: 'every write of an owner' },
  },
  {
    protection: 'one open agent for a task',
    without: [
      other(
        'src/db/migrations.ts',
        'CREATE UNIQUE INDEX one_open_agent_per_task',
        'CREATE INDEX one_open_agent_per_task',
      ),
    ],
    red: { file: 'test/runner/ownership.test.ts', title: 'the database itself' },
  },
  {
    protection: 'a transaction has the write lock from its beginning (BEGIN IMMEDIATE)',
    without: [other('src/db/open.ts', "this.#raw.exec('BEGIN IMMEDIATE')", "this.#raw.exec('BEGIN')")],
    red: { file: 'test/db/durability.test.ts', title: 'what a transaction has read' },
  },
  {
    protection: 'a commit is synced to the disk (synchronous = FULL)',
    without: [other('src/db/open.ts', "pragma('synchronous = FULL')", "pragma('synchronous = NORMAL')")],
    red: { file: 'test/db/durability.test.ts', title: 'on the disk' },
  },
  {
    protection: 'a newer database is refused',
    without: [
      other('src/db/open.ts', 'refuseNewer(database, path)\n      useWal', 'useWal'),
      other('src/db/open.ts', 'refuseNewer(database, path)\n      MIGRATIONS', 'MIGRATIONS'),
    ],
    red: { file: 'test/e2e/bad-input.test.ts', title: 'a newer one is refused', build: true },
  },
  {
    protection: 'tmux is told exact names (=name:)',
    without: [other('src/os/tmux.ts', 'return `=', 'return `')],
    red: { file: 'test/os/tmux-target.test.ts' },
  },
  {
    protection: 'a process is known by pid and start time',
    without: [
      other(
        'src/os/process.ts',
        "    return start === who.start ? 'alive' : 'gone'\n",
        "    return start === null ? 'gone' : 'alive'\n",
      ),
    ],
    red: { file: 'test/os/identity.test.ts' },
  },
  {
    protection: 'a signal goes only to that very process',
    without: [gone('src/os/process.ts', "  if (liveness(who) !== 'alive') return false\n")],
    red: { file: 'test/os/identity.test.ts' },
  },
  {
    protection: 'a death is believed when it is seen twice',
    without: [other('src/watchdog/rules.ts', 'const CONFIRM_MS = 15\n', 'const CONFIRM_MS = 0\n')],
    red: { file: 'test/watchdog/rules.test.ts', title: 'nobody is reported gone' },
  },
  {
    protection: 'unknown is no death',
    without: [
      other('src/watchdog/rules.ts', "const gone = agent.runner === 'gone'", "const gone = agent.runner !== 'alive'"),
    ],
    red: { part: 'simulation' },
  },
  {
    protection: 'after a gap in the watching there is grace',
    without: [other('src/watchdog/rules.ts', 'return late > LATE_MS ? late : 0', 'return 0 * late')],
    red: { part: 'simulation' },
  },
  {
    protection: 'nudges for one silence are counted',
    without: [
      other('src/watchdog/silence.ts', 'if (tried.nudges < limits.nudges)', 'if (tried.nudges < limits.nudges + 1)'),
    ],
    red: { part: 'simulation' },
  },
  {
    protection: 'nudges are spaced',
    without: [other('src/watchdog/silence.ts', 'Math.max(sentAt ?? since, ', 'Math.max(since, ')],
    red: { part: 'simulation' },
  },
  {
    protection: 'a tool that runs is progress, up to its limit',
    without: [other('src/watchdog/silence.ts', 'busy ? since + toolLimit : 0', '0')],
    red: { part: 'simulation' },
  },
  {
    protection: 'processes that compute are progress, up to the same limit',
    without: [other('src/watchdog/silence.ts', 'if (computes && mayCompute) {', 'if (computes && !mayCompute) {')],
    red: { part: 'simulation' },
  },
  {
    protection: 'who goes in circles is told so',
    without: [other('src/watchdog/complaints.ts', 'if (loop !== null && reads', 'if (loop !== null && !reads')],
    red: { part: 'simulation' },
  },
  {
    protection: 'who asks again because the answer changes goes in no circle',
    without: [
      other('src/watchdog/loops.ts', 'one.call === other.call && one.out === other.out', 'one.call === other.call'),
    ],
    red: { part: 'simulation' },
  },
  {
    protection: 'a dialog is answered only as the policy says',
    without: [
      other('src/runner/dialogs.ts', 'if (asked.includes(allowed.match.toLowerCase()))', "if (allowed.match !== '')"),
    ],
    red: { part: 'simulation' },
  },
  {
    protection: 'a model alone ends nobody',
    without: [
      other(
        'src/watchdog/triage-rules.ts',
        "objection === null ? { do: 'stop', as: verdict }",
        "verdict !== null ? { do: 'stop', as: verdict }",
      ),
    ],
    red: { part: 'simulation' },
  },
  {
    protection: 'a sign of work since it was raised is heard',
    without: [
      gone('src/watchdog/triage-rules.ts', "      if (stirred) return 'It has shown a sign of work since.'\n"),
      gone('src/watchdog/triage-rules.ts', "  if (!raised) return 'Software finds nothing wrong with it.'\n"),
    ],
    red: { part: 'simulation' },
  },
  {
    protection: 'who is asked about an agent and does not answer is passed over',
    without: [other('src/escalation/rules.ts', 'waitedMs >= answerWithin ?', 'waitedMs < 0 ?')],
    red: { part: 'simulation' },
  },
  {
    protection: 'time that a verdict gave is not given again when the clock is set back',
    without: [
      other(
        'src/watchdog/silence.ts',
        'wall < until - ms - SET_MS ? 0 : Math.max(0, Math.min(ms, until - wall))',
        'Math.max(0, until - wall)',
      ),
    ],
    red: { part: 'simulation' },
  },
  {
    protection: 'what died is started again after a pause that grows',
    without: [other('src/agents/rules.ts', 'Math.round(SECOND_START_MS * 4', 'Math.round(0 * 4')],
    red: { part: 'simulation' },
  },
  {
    protection: 'at most three restarts in ten minutes',
    without: [gone('src/agents/rules.ts', "  if (restarts >= MAX_RESTARTS) return { do: 'put-aside' }\n")],
    red: { part: 'simulation' },
  },
  {
    protection: 'an account at its limit is left in peace',
    without: [other('src/limits/rules.ts', "return timeLeft(limit, moment) > 0 ? 'held' : 'due'", "return 'due'")],
    red: { part: 'simulation' },
  },
  {
    protection: 'one asks whether a limit is over',
    without: [gone('src/limits/pass.ts', '        if (probe === null) return waitFor(project, limit, latest.said)\n')],
    red: { file: 'test/limits/pass.test.ts', title: 'exactly one asks' },
  },
  {
    protection: 'those that waited for a limit go on one by one',
    without: [other('src/limits/rules.ts', 'next: mine + spacing', 'next: mine')],
    red: { part: 'simulation' },
  },
  {
    protection: 'a command that was cut off is not run again',
    without: [gone('src/agents/rules.ts', "  if (turns > 0 && !prompts) return { do: 'end' }\n")],
    red: { file: 'test/agents/rules.test.ts' },
  },
  {
    protection: 'mail is confirmed only by its latest offer',
    without: [
      other(
        'src/mail/store.ts',
        "    .where('reader', '=', reader)\n    .where('offer_id', '=', offer)\n",
        "    .where('reader', '=', reader)\n",
      ),
    ],
    red: { file: 'test/mail/deliver.test.ts', title: 'overtaken confirms nothing' },
  },
  {
    protection: 'mail of one sender does not overtake',
    without: [
      other(
        'src/mail/store.ts',
        "              .whereRef('earlier.seq', '<', 'mail.seq'),\n",
        "              .whereRef('earlier.seq', '=', 'mail.seq'),\n",
      ),
    ],
    red: { file: 'test/mail/deliver.test.ts', title: 'no mail overtakes' },
  },
  {
    protection: 'a ref moves only from the commit it is expected at',
    without: [
      // The line ends before the commit that is expected.
      other('src/os/refs.ts', '{objectName(to, from)} ', '{objectName(to, from)}` || ` '),
    ],
    red: { file: 'test/os/git.test.ts', title: 'refs move all or none' },
  },
  {
    protection: 'gates run on exactly the commit that is swapped in',
    without: [
      other('src/merge/attempt.ts', 'checkCommit(project, commit, {', 'checkCommit(project, entry.head_sha, {'),
    ],
    red: { file: 'test/merge/train.test.ts', title: 'red together' },
  },
  {
    protection: 'a checkout with changes is left alone',
    without: [other('src/merge/land.ts', '  if (changed.length > 0) {', '  if (changed.length > 9_999) {')],
    red: { file: 'test/merge/land.test.ts' },
  },
  {
    protection: 'commits have a keep-ref before their worktree goes',
    without: [gone('src/worktrees/clean.ts', '  await keepCommits(project, agent.id, path, agent.base_sha)\n')],
    red: { file: 'test/worktrees/clean.test.ts', title: 'no commit is lost' },
  },
  {
    protection: 'a worktree with anything uncommitted is never removed',
    without: [
      other('src/worktrees/clean.ts', '    if (dirty.length > 0) {', '    if (dirty.length > 9_999) {'),
      gone(
        'src/worktrees/clean.ts',
        "  if ((await uncommitted(gitIn(project, path))).length > 0) return 'has uncommitted files by now'\n",
      ),
      other(
        'src/worktrees/clean.ts',
        'await removeWorktree(project.git, path)\n',
        'await removeWorktree(project.git, path, { force: true })\n',
      ),
    ],
    red: { file: 'test/worktrees/clean.test.ts', build: true },
  },
  {
    protection: 'host git runs no hooks of the repository',
    without: [gone('src/os/git.ts', "  'core.hooksPath=/dev/null',\n")],
    red: { file: 'test/os/git.test.ts', title: 'nothing the repository' },
  },
]
