import type { Project } from '../../project.ts'
import { actionsOf, type Lend } from './actions.ts'
import { type Ended, Live } from './live.ts'

/**
 * Makes the live screen ready; what it gives takes the terminal. React and ink are loaded here and nowhere else.
 *
 * @throws {OvError} `run.unknown`, and what the database says, before anything is drawn
 */
export async function loadLive(
  project: Project,
  options: { run: string | undefined; ascii: boolean },
): Promise<(gone: AbortSignal) => Promise<Ended>> {
  let lend: Lend = (work) => work()
  const { columns = 80, rows = 24 } = process.stdout
  const live = await Live.begin(
    project,
    actionsOf(project, (work) => lend(work)),
    { ...options, size: { columns, rows } },
  )
  const { showLive } = await quickReact(() => import('./screen.tsx'))
  return (gone) =>
    showLive(
      live,
      (given) => {
        lend = given
      },
      gone,
    )
}

/** React decides when it is loaded whether it checks everything twice, which takes half as long again. */
async function quickReact<T>(load: () => Promise<T>): Promise<T> {
  const before = process.env.NODE_ENV
  process.env.NODE_ENV = 'production'
  try {
    return await load()
  } finally {
    // What is started from here inherits the environment as it was.
    if (before === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = before
  }
}
