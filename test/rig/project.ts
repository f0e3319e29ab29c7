import { openProject, type Project } from '../../src/project.ts'
import type { Home } from './sandbox-home.ts'

/** Does `work` with the environment of a home, and what `more` adds to it, as a process there would. */
export async function inHome<T>(home: Home, work: () => Promise<T>, more: Record<string, string> = {}): Promise<T> {
  const outside = { ...process.env }
  const inside: Record<string, string> = { ...home.env, ...more }
  Object.assign(process.env, inside)
  try {
    return await work()
  } finally {
    for (const name of Object.keys(inside)) {
      if (outside[name] === undefined) delete process.env[name]
      else process.env[name] = outside[name]
    }
  }
}

/** Opens the project of a repository as a process of this home would, for `work`, and closes it. */
export function inProject<T>(home: Home, repo: string, work: (project: Project) => Promise<T>): Promise<T> {
  return inHome(home, async () => {
    const project = await openProject(repo)
    try {
      return await work(project)
    } finally {
      await project.close()
    }
  })
}
