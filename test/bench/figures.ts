/**
 * The speeds to reach, measured once on a 2-core Linux machine (git 2.39, tmux 3.3a, Node 24, better-sqlite3 13),
 * each beside its floor (what the operation costs without `ov`: bare Node, bare git, bare SQLite, `sh -c :`) and beside
 * Overstory 0.11.0 on the same machine. They are constants: another machine is judged by the ratio of reach to floor.
 */
export interface Figure {
  readonly operation: string
  /** What Overstory took, in the figure's unit; null where it was not measured. */
  readonly overstory: number | null
  readonly floor: number
  readonly reach: number
  /** Of a duration or an amount less is better, of a rate more is. */
  readonly unit: 'ms' | 'MB' | 'bytes' | '/min' | '/s'
}

/** By the ids that `--only` takes, in the order in which they are printed. */
export const FIGURES = {
  'hook-quiet': { operation: 'hook with nothing to say', overstory: 46, floor: 0.6, reach: 1.5, unit: 'ms' },
  'hook-tool-start': { operation: 'tool-start hook', overstory: 50, floor: 1.2, reach: 2.5, unit: 'ms' },
  'hook-tool-end': { operation: 'tool-end hook', overstory: 55, floor: 1.2, reach: 2.5, unit: 'ms' },
  'hooks-of-a-tool-call': { operation: 'all hooks of one tool call', overstory: 200, floor: 2.5, reach: 5, unit: 'ms' },
  'hooks-of-25-agents': {
    operation: '25 agents hooking at once, until the last',
    overstory: null,
    floor: 30,
    reach: 75,
    unit: 'ms',
  },
  'mail-check-0': { operation: 'ov mail check, 0 unread', overstory: 46, floor: 19.8, reach: 24, unit: 'ms' },
  'mail-check-10': { operation: 'ov mail check, 10 unread', overstory: 51, floor: 19.8, reach: 28, unit: 'ms' },
  'mail-send': { operation: 'ov mail send', overstory: 52, floor: 22, reach: 26, unit: 'ms' },
  version: { operation: 'ov --version', overstory: 41, floor: 19.8, reach: 21, unit: 'ms' },
  help: { operation: 'ov --help', overstory: 44, floor: 19.8, reach: 22, unit: 'ms' },
  status: { operation: 'ov status --json', overstory: 54, floor: 24, reach: 30, unit: 'ms' },
  'other-command': { operation: 'any other command', overstory: 60, floor: 42, reach: 60, unit: 'ms' },
  'sling-returns': { operation: 'ov sling returns', overstory: 14_650, floor: 20, reach: 60, unit: 'ms' },
  'agent-ready': { operation: 'agent ready after ov sling', overstory: 14_650, floor: 220, reach: 300, unit: 'ms' },
  'spawn-rate': { operation: 'spawn rate, small repo', overstory: 4, floor: 6_900, reach: 1_000, unit: '/min' },
  'pool-10k': { operation: 'agent at work, 10k files, pool', overstory: null, floor: 250, reach: 150, unit: 'ms' },
  stop: { operation: 'ov stop, agent with a child', overstory: 2_070, floor: 25, reach: 60, unit: 'ms' },
  'merge-100': { operation: 'one clean merge, 100 files', overstory: 68, floor: 28, reach: 45, unit: 'ms' },
  'merge-10k': { operation: 'one clean merge, 10k files', overstory: 112, floor: 36, reach: 55, unit: 'ms' },
  'merge-queue': { operation: 'a queue of clean merges', overstory: 880, floor: 15_000, reach: 6_000, unit: '/min' },
  'tick-5': { operation: 'watchdog tick, 5 agents', overstory: 9, floor: 0.2, reach: 0.5, unit: 'ms' },
  'tick-25': { operation: 'watchdog tick, 25 agents', overstory: 42, floor: 0.2, reach: 1, unit: 'ms' },
  'tick-50': { operation: 'watchdog tick, 50 agents', overstory: 85, floor: 0.2, reach: 1.5, unit: 'ms' },
  // Not in the notes: ten times what fifty may take. The floor is measured as the others are.
  'tick-500': { operation: 'watchdog tick, 500 agents', overstory: null, floor: 1.5, reach: 15, unit: 'ms' },
  'death-noticed': { operation: 'death noticed', overstory: 30_000, floor: 3, reach: 100, unit: 'ms' },
  'mail-16-senders': { operation: 'mail, 16 sending processes', overstory: 29, floor: 90, reach: 70, unit: '/s' },
  'watch-rss': { operation: 'resident ov watch, RSS', overstory: 44, floor: 41.6, reach: 55, unit: 'MB' },
  'watch-private': { operation: 'resident ov watch, private', overstory: 13.8, floor: 8.1, reach: 12, unit: 'MB' },
} as const satisfies Record<string, Figure>

export type FigureId = keyof typeof FIGURES
