import { OvError } from '../errors.ts'
import { notArrived } from './print.ts'

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
  throw new OvError('failed', 'output.closed', notArrived(failed))
}
