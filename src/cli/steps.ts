/** Something that takes a while: its name, and the work, which tells what it is doing. Gives its last line. */
export interface LongStep {
  readonly name: string
  readonly work: (tell: (doing: string) => void) => Promise<{ readonly ok: boolean; readonly line: string }>
}

/** Runs steps side by side and writes a line for each change; none when quiet. */
export async function writeSteps(
  steps: readonly LongStep[],
  { quiet, write }: { readonly quiet: boolean; readonly write: (text: string) => void },
): Promise<void> {
  const tell = (text: string) => {
    if (!quiet) write(text)
  }
  await Promise.all(
    steps.map(async (step) => {
      const { ok, line } = await step.work((doing) => tell(`${step.name}: ${doing}\n`))
      tell(`${ok ? '✔' : '✖'} ${step.name}: ${line}\n`)
    }),
  )
}
