/** What slings a shell agent of this name. */
export function slingShell(name: string, command: string, ...more: string[]): string[] {
  return ['sling', '--runtime', 'shell', '--name', name, '--task', `Task of ${name}`, '--command', command, ...more]
}
