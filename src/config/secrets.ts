import { isMapping, type Source } from './document.ts'
import { keyName, type Problem } from './problem.ts'

/** Keys and tokens as the services give them out, and what is said to be one (`api_key="…"`, `--token …`). */
const SECRETS: readonly RegExp[] = [
  /\bsk-(ant|proj|or|svcacct|admin)-[\w-]{8,}/,
  /\bsk-[A-Za-z0-9]{20,}/,
  /\bAIza[\w-]{30,}/,
  /\b(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})/,
  /\b(xai|gsk|hf|sgamp|cursor|key)[-_](?=\w*\d)\w{24,}/,
  /\bAKIA[0-9A-Z]{16}\b/,
  /\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/,
  /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]+:[^\s/@$]+@/i,
  /(api[-_]?key|access[-_]?key|bearer[-_]?token|auth[-_]?token|password|client[-_]?secret)["']?\s*[=: ]\s*["']?(?=[^\s"']*\d)[^\s"'$<{]{16,}/i,
]

/** Values in a source that look like a secret. None of them is repeated in what is said about it. */
export function secretsIn(source: Source): Problem[] {
  return leaves(source.value, []).flatMap(([path, text]) => {
    if (!isSecret(text)) return []
    const key = keyName(path)
    const message = `${key} looks like it holds a key or a password, which has no place in a configuration. Put it into a variable of your environment, and name that: runtime: { claude: { env: [MY_KEY] } }`
    return [{ file: source.file, place: source.place(path, 'value'), key, message }]
  })
}

/** Whether a text looks like a key or a password, or has one in it. */
export function isSecret(text: string): boolean {
  return SECRETS.some((pattern) => pattern.test(text))
}

function leaves(value: unknown, path: readonly PropertyKey[]): [readonly PropertyKey[], string][] {
  if (typeof value === 'string') return [[path, value]]
  if (Array.isArray(value)) return value.flatMap((inner, at) => leaves(inner, [...path, at]))
  return isMapping(value) ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key])) : []
}

/** A text with all that looks like a secret in it left out. */
export function withoutSecrets(text: string): string {
  return SECRETS.reduce((clean, pattern) => clean.replace(new RegExp(pattern, `${pattern.flags}g`), '[secret]'), text)
}
