import { type Stopped, type StopRequest, stopChosen } from '../agents/stop.ts'
import { openProject, type Project } from '../project.ts'

/** The human's project, to stop agents of. */
export interface StopProject extends Pick<Project, 'db' | 'close'> {
  stop(request: StopRequest): Promise<{ stopped: Stopped[] }>
}

export async function openToStop(): Promise<StopProject> {
  const project = await openProject(process.cwd(), { evenMisconfigured: true })
  return { db: project.db, close: project.close, stop: (request) => stopChosen(project, null, request) }
}
