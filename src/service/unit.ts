import { MARKER, type ServiceSpec } from './spec.ts'

/** From this version on systemd knows restarts that come later and later. */
const STEPS_SINCE = 254

/**
 * A systemd user unit that watches over a project. Facts: systemd.unit(5), systemd.service(5), systemd.exec(5),
 * systemd.resource-control(5), systemd.syntax(7).
 *
 * @param version of systemd: an older one would warn of what it does not know
 */
export function unitText(spec: ServiceSpec, version: number): string {
  const restarts =
    version >= STEPS_SINCE ? ['RestartSec=2s', 'RestartSteps=8', 'RestartMaxDelaySec=5min'] : ['RestartSec=15s']
  return `${[
    `# ${MARKER}. What is changed here is lost; use: systemctl --user edit ${spec.name}`,
    '[Unit]',
    `Description=${words(`Watches over ${spec.project} (ov)`)}`,
    'StartLimitIntervalSec=10min',
    'StartLimitBurst=20',
    '',
    '[Service]',
    'Type=exec',
    `WorkingDirectory=${percent(spec.folder)}`,
    // The colon keeps systemd from looking for variables in what follows.
    `ExecStart=:${runnable(spec.argv).map(quoted).join(' ')}`,
    ...Object.entries(spec.environment).map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`),
    '# Yours, where you want it: what agents need and nobody else may read (chmod 600).',
    `EnvironmentFile=-${percent(spec.environmentFile)}`,
    '',
    '# It ends in order with 130, by a signal. With 2 or 6 another start would meet the same.',
    'Restart=on-failure',
    ...restarts,
    'SuccessExitStatus=130',
    'RestartPreventExitStatus=2 6',
    '',
    '# Agents live on when the watcher ends: only its own process gets a signal, and one that runs out of memory',
    '# takes nobody else along. They lie in this control group, so the limits hold for what it has started.',
    'KillMode=process',
    'TimeoutStopSec=10s',
    'OOMPolicy=continue',
    'MemoryHigh=80%',
    'MemoryMax=90%',
    'TasksMax=16384',
    '',
    'StandardOutput=journal',
    'StandardError=journal',
    `SyslogIdentifier=${spec.name}`,
    '',
    '[Install]',
    'WantedBy=default.target',
  ].join('\n')}\n`
}

/** systemd takes no program with a quote or a backslash in its name; a shell that becomes the program does. */
function runnable(argv: readonly string[]): readonly string[] {
  return /["'\\]/.test(argv[0] ?? '') ? ['/bin/sh', '-c', 'exec "$0" "$@"', ...argv] : argv
}

/** systemd puts facts of its own in place of `%h` and the like. */
function percent(text: string): string {
  return text.replaceAll('%', '%%')
}

/** One word of a command line, or one assignment, whatever is in it. */
function quoted(text: string): string {
  return `"${percent(text).replace(/[\\"]/g, '\\$&')}"`
}

/** Text for people: no control characters, and no backslash that would join the next line to it. */
function words(text: string): string {
  return percent(text.replace(/[\p{Cc}\\]+/gu, ' ').trim())
}
