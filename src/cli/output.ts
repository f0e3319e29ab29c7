import { codeOf, messageOf, OvError } from '../errors.ts'

/**
 * Waits until everything printed so far has left this process.
 * @throws {OvError} `output.closed` when whoever was to read it has gone, or it could not be written
 */
export async function printed(stream: NodeJS.WriteStream = process.stdout): Promise<void> {
  const failed = await new Promise<Error | null | undefined>((resolve) => {
    if (stream.destroyed) resolve(stream.errored ?? new Error('it is closed'))
    else stream.write('', resolve)
  })
  if (!failed) return
  throw new OvError(
    'failed',
    'output.closed',
    `What was printed did not arrive: ${codeOf(failed) ?? messageOf(failed)}.`,
  )
}

/** Left-aligned columns as wide as their longest cell; the last one is not padded. Cells are plain text of one line. */
export function columns(rows: readonly (readonly string[])[], gap = 2): string {
  const width = (index: number) => Math.max(...rows.map((row) => row[index]?.length ?? 0))
  const widths = rows[0]?.map((_, index) => width(index)) ?? []
  return rows
    .map((row) =>
      row.map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd((widths[index] ?? 0) + gap))).join(''),
    )
    .join('\n')
}

/** How long ago, in its largest unit: `5s`, `12m`, `3h`, `9d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}
