/**
 * Prefix that runs a command without root's right to read and write everything, so that permissions hold for it as
 * for anybody. Nothing for those who are not root.
 */
export function withoutRootPowers(argv: readonly string[]): string[] {
  if (process.getuid?.() !== 0) return [...argv]
  const powers = '-dac_override,-dac_read_search'
  return ['setpriv', `--inh-caps=${powers}`, `--bounding-set=${powers}`, '--', ...argv]
}
