import { type SlingRequest, type Slung, sling } from '../agents/sling.ts'
import { openProject, type Project } from '../project.ts'

/** The human's project, to sling into. */
export interface SlingProject extends Pick<Project, 'db' | 'close'> {
  sling(request: SlingRequest): Promise<Slung>
}

export async function openToSling(): Promise<SlingProject> {
  const project = await openProject(process.cwd())
  return { db: project.db, close: project.close, sling: (request) => sling(project, null, request) }
}
