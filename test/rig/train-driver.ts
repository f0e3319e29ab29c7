/**
 * Drives the merge train of the project around the current folder, as a runner or `ov merge` does, in a process that
 * a test can stop and kill. Says `ready`, then drives once for each line it reads, and says what came of it.
 */
import { createInterface } from 'node:readline'
import { driveTrain } from '../../src/merge/train.ts'
import { openProject } from '../../src/project.ts'

const project = await openProject(process.cwd())
process.stdout.write('ready\n')
for await (const _line of createInterface({ input: process.stdin })) {
  const onProgress = (entry: { branch: string }, doing: string) => process.stdout.write(`${entry.branch} ${doing}\n`)
  const { drove, merged, rejected } = await driveTrain(project, { onProgress })
  process.stdout.write(`drove ${drove} ${merged.length} ${rejected.length}\n`)
}
await project.close()
