import { labelOf, MARKER, type ServiceSpec } from './spec.ts'

/**
 * A launchd agent that watches over a project on macOS. Facts: launchd.plist(5). `AbandonProcessGroup` lets agents live on
 * when the watcher ends.
 */
export function plistText(spec: ServiceSpec): string {
  const entries: readonly [string, string][] = [
    ['Label', text(labelOf(spec.name))],
    ['ProgramArguments', block('array', spec.argv.map(text))],
    ['WorkingDirectory', text(spec.folder)],
    [
      'EnvironmentVariables',
      block(
        'dict',
        Object.entries(spec.environment).flatMap(([name, value]) => [key(name), text(value)]),
      ),
    ],
    ['RunAtLoad', '<true/>'],
    ['KeepAlive', block('dict', [key('SuccessfulExit'), '<false/>'])],
    ['ThrottleInterval', '<integer>15</integer>'],
    ['AbandonProcessGroup', '<true/>'],
    ['ExitTimeOut', '<integer>10</integer>'],
    ['StandardOutPath', text(spec.log)],
    ['StandardErrorPath', text(spec.log)],
  ]
  return `<?xml version="1.0" encoding="UTF-8"?>
<!-- ${MARKER} -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
${block(
  'dict',
  entries.flatMap(([name, value]) => [key(name), value]),
)}
</plist>
`
}

function block(tag: string, inner: readonly string[]): string {
  return [`<${tag}>`, ...inner.map((one) => one.replace(/^/gm, '  ')), `</${tag}>`].join('\n')
}

function key(name: string): string {
  return `<key>${escaped(name)}</key>`
}

function text(value: string): string {
  return `<string>${escaped(value)}</string>`
}

function escaped(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
