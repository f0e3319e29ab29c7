import { messageOf } from '../errors.ts'
import type { Project } from '../project.ts'
import { driveTrain } from './train.ts'

/** The merge train, driven beside other work. */
export interface TrainBeside {
  /** Drives it, unless it is being driven from here; entries that come meanwhile are taken along. */
  drive(): void
  /** When the drive that is under way has ended. */
  ended(): Promise<void>
}

/**
 * @param told what stands in its way, once as long as it stays the same
 * @param moved it has driven: there may be something new to look at
 */
export function trainBeside(project: Project, told: (why: string) => Promise<unknown>, moved: () => void): TrainBeside {
  let underway: Promise<void> | null = null
  let trouble: string | null = null
  return {
    drive() {
      if (underway !== null || !project.config.merge.auto) return
      underway = driveTrain(project)
        .catch(async (error: unknown) => {
          const why = messageOf(error)
          if (why !== trouble) await told(why)
          trouble = why
        })
        .then((report) => {
          underway = null
          // While another drives there is nothing to look at; the next commit to the database or tick asks again.
          if (report?.drove) moved()
        })
    },
    async ended() {
      await underway
    },
  }
}
