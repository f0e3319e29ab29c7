import { type Lines, splitLines } from './lines.ts'

/**
 * Reads a stream of server-sent events: `each` gets the data of every event that has some. What else an event may
 * carry (a name, an id, a time to wait) is left out, and so is an event that was cut off.
 */
export function sseData(each: (data: string) => void): Pick<Lines, 'push'> {
  let data: string[] = []
  const { push } = splitLines(
    (line) => {
      if (line === '') {
        if (data.length > 0) each(data.join('\n'))
        data = []
        return
      }
      const colon = line.indexOf(':')
      if ((colon < 0 ? line : line.slice(0, colon)) !== 'data') return
      data.push(colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1))
    },
    { empty: true },
  )
  return { push }
}
