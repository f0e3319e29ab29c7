import { tellPeople } from '../notify/deliver.ts'
import { openProject } from '../project.ts'
import { watchSpec } from './spec.ts'
import { type Order, tendFleet, tendMerges, tendTroubles } from './tend.ts'

/** `ov tend fleet|troubles|merges ORDER`, `ov tend notices`: what is started when there is something to do. Not for people. Prints what the project is like now. */
export async function tendMain([work = '', order = '']: readonly string[], gone: AbortSignal): Promise<void> {
  const project = await openProject(process.cwd(), { evenMisconfigured: true })
  try {
    if (work === 'notices') return await tellPeople(project, gone)
    const wanted: Order = JSON.parse(order)
    if (work === 'merges') await tendMerges(project, gone)
    else if (work === 'troubles') await tendTroubles(project, wanted, gone)
    else await tendFleet(project, wanted)
    process.stdout.write(`${JSON.stringify(watchSpec(project))}\n`)
  } finally {
    await project.close()
  }
}
