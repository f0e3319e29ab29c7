/** Whether the terminal is said to show more than ASCII: by the locale, as other programs take it. */
export function isUtf8(env: NodeJS.ProcessEnv): boolean {
  return /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '')
}

/** Why a screen can't be drawn again and again here; null where it can. */
export function notLive(env: NodeJS.ProcessEnv, { input, output }: { input: boolean; output: boolean }): string | null {
  if (!input || !output) return 'A live screen takes a terminal.'
  if (env.TERM === 'dumb') return 'This terminal (TERM=dumb) cannot be drawn on again.'
  if (env.CI) return 'In CI nobody watches a live screen.'
  return null
}

/** Columns of a picture that is printed once: of the terminal, else `COLUMNS`, else 80. */
export function onceWidth(env: NodeJS.ProcessEnv, columns: number | undefined): number {
  const wanted = columns ?? Number(env.COLUMNS)
  return Number.isInteger(wanted) && wanted > 0 ? wanted : 80
}
