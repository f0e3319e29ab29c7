import { openProject, type Project } from '../../src/project.ts'
import type { Home } from './sandbox-home.ts'

/** Opens the project of a repository as a process of this home would, for `work`, and closes it. */
export async function inProject<T>(home: Home, repo: string, work: (project: Project) => Promise<T>): Promise<T> {
  const outside = { ...process.env }
  Object.assign(process.env, home.env)
  const project = await openProject(repo)
  try {
    return await work(project)
  } finally {
    await project.close()
    for (const name of Object.keys(home.env)) {
      if (outside[name] === undefined) delete process.env[name]
      else process.env[name] = outside[name]
    }
  }
}
