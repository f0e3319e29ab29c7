/** How far a value is looked for from one place on, in characters: whatever is longer is no answer to a question. */
const LONGEST = 256 * 1024
/** So many places where a value could begin are tried. */
const MOST = 2_000

/**
 * JSON values in what a model answered, the likeliest first: all of it, what stands in code fences, then objects and lists
 * in between prose, each time the last before the first, since a conclusion comes at the end.
 */
export function jsonIn(answer: string): unknown[] {
  const text = answer.trim().replace(/^\ufeff/, '')
  const fenced = [...text.matchAll(/^[ \t]*(```+|~~~+)[^\n]*\n([\s\S]*?)^[ \t]*\1/gm)].map(([, , inner = '']) => inner)
  return [text, ...fenced.reverse(), ...balanced(text).reverse()].flatMap((one) => {
    try {
      return [JSON.parse(one) as unknown]
    } catch {
      // Prose, or code of another kind.
      return []
    }
  })
}

/** The outermost stretches from a bracket to the one that closes it. */
function balanced(text: string): string[] {
  const found: string[] = []
  let tried = 0
  for (let at = 0; at < text.length && tried < MOST; at++) {
    if (text[at] !== '{' && text[at] !== '[') continue
    tried += 1
    const end = closing(text, at)
    if (end === null) continue
    found.push(text.slice(at, end))
    at = end - 1
  }
  return found
}

/** Behind the bracket that closes the one at `start`; null where none does. */
function closing(text: string, start: number): number | null {
  const open: string[] = []
  let quoted = false
  for (let at = start; at < Math.min(text.length, start + LONGEST); at++) {
    const letter = text[at]
    if (quoted) {
      if (letter === '\\') at += 1
      else if (letter === '"') quoted = false
    } else if (letter === '"') quoted = true
    else if (letter === '{' || letter === '[') open.push(letter === '{' ? '}' : ']')
    else if (letter === '}' || letter === ']') {
      if (open.pop() !== letter) return null
      if (open.length === 0) return at + 1
    }
  }
  return null
}
