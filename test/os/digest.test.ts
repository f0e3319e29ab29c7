import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { sha1, sha256 } from '../../src/os/digest.ts'

test('a digest is what everybody calls SHA-256 or SHA-1, whatever the length', () => {
  const texts = [
    ...Array.from({ length: 200 }, (_, length) => 'ab'.repeat(length).slice(length)),
    '✔ ünï\0',
    'x'.repeat(6e4),
    'x'.repeat(1e5),
  ]
  for (const text of texts) {
    expect(sha256(text)).toBe(createHash('sha256').update(text).digest('hex'))
    expect(sha1(text)).toBe(createHash('sha1').update(text).digest('hex'))
  }
})
