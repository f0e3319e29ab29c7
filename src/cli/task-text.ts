import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { codeOf, OvError } from '../errors.ts'

/** Longest text that is read, in bytes: what is longer is no task. (How long one may be is for `sling` to say.) */
const MAX_BYTES = 16 * 1024 * 1024

const NO_TASK =
  'ov sling --task "Implement user authentication", or --task-file FILE, or --task - to read standard input'

/**
 * The text of a task as a person gave it: by the flag, on standard input (`-`), in a file or pipe. Empty only where a
 * command is given instead, which is its own task.
 *
 * @throws {OvError} `sling.no-task`, `sling.no-task-file`, `sling.not-text`, `sling.task-too-long`
 */
export async function taskText({
  task,
  file,
  command,
}: {
  task: string | undefined
  file: string | undefined
  command: string | undefined
}): Promise<string> {
  if (task === undefined && file === undefined) {
    if (command !== undefined) return ''
    throw new OvError('user', 'sling.no-task', 'What is to be done?', { hint: NO_TASK })
  }
  const text =
    file !== undefined
      ? await readWhole(createReadStream(file), file)
      : task === '-'
        ? await readWhole(process.stdin, 'Standard input')
        : (task ?? '')
  // Said empty is not left out: most likely a variable that was not set.
  if (text.trim() === '') throw new OvError('user', 'sling.no-task', 'The task is empty.', { hint: NO_TASK })
  return text
}

async function readWhole(source: Readable, name: string): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of source) {
      const bytes: Buffer = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      chunks.push(bytes)
      length += bytes.length
      if (length > MAX_BYTES) {
        throw new OvError('user', 'sling.task-too-long', `${name} is longer than ${MAX_BYTES >> 20} MiB.`, {
          hint: 'Put the material into a file of the repository and name it in the task.',
        })
      }
    }
  } catch (error) {
    if (error instanceof OvError) throw error
    throw new OvError('user', 'sling.no-task-file', `${name} can't be read: ${codeOf(error) ?? error}.`, {
      hint: 'Give a readable text file: --task-file issue.md',
      cause: error,
    })
  }
  return textOf(Buffer.concat(chunks), name)
}

function textOf(bytes: Buffer, name: string): string {
  const notText = (what: string) =>
    new OvError('user', 'sling.not-text', `${name} is not text: it holds ${what}.`, {
      hint: 'Give a text file in UTF-8; put anything else into the repository and name it in the task.',
    })
  if (bytes.includes(0)) throw notText('NUL bytes')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA') throw notText('bytes that are not UTF-8')
    throw error
  }
}
