import { createHmac } from 'node:crypto'

/** HMAC-SHA-256 (RFC 2104) of a text in UTF-8, in hexadecimal digits. */
export function hmacSha256(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}
