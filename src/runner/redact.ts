/** Replaces every secret it knows by its name. */
export type Redact = (text: string) => string

const SECRET_NAME = /(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|AUTH)/i
const SHORTEST = 8

/** Knows the values of all secret-looking variables of an environment, by their names. */
export function redactorOf(environment: Readonly<Record<string, string | undefined>>): Redact {
  const secrets = Object.entries(environment)
    .filter(
      (entry): entry is [string, string] =>
        SECRET_NAME.test(entry[0]) &&
        entry[1] !== undefined &&
        entry[1].length >= SHORTEST &&
        !entry[1].startsWith('/'),
    )
    .sort((a, b) => b[1].length - a[1].length)
  if (secrets.length === 0) return (text) => text
  return (text) => secrets.reduce((clean, [name, value]) => clean.replaceAll(value, `[${name}]`), text)
}
