/*
 * SHA-256 and SHA-1 (FIPS 180-4) for names, not for secrets: Node's own take 4 ms to load, longer than the rest of a
 * short command takes to run.
 */

/** The first so many bits of the fractional part of a root of a number. */
function fraction(root: number): number {
  return ((root - Math.floor(root)) * 2 ** 32) >>> 0
}

const PRIMES: number[] = []
for (let number = 2; PRIMES.length < 64; number++)
  if (PRIMES.every((prime) => number % prime !== 0)) PRIMES.push(number)
const ROUNDS = Uint32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)))
const START = Uint32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime)))

/** Those of SHA-1 are what they are. */
const START_1 = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0)
const ROUNDS_1 = Uint32Array.of(0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6)

const turned = (word: number, by: number) => (word >>> by) | (word << (32 - by))

/** From so many characters on Node's own is faster, loading included. */
const LONG = 64 * 1024

/** The SHA-256 of a text in UTF-8, in hexadecimal digits. */
export function sha256(text: string): string {
  return text.length >= LONG ? byNode('sha256', text) : digest(text, START, new Uint32Array(64), take256)
}

/** The SHA-1 of a text in UTF-8, in hexadecimal digits: what git names its objects by. */
export function sha1(text: string): string {
  return text.length >= LONG ? byNode('sha1', text) : digest(text, START_1, new Uint32Array(80), take1)
}

function byNode(algorithm: 'sha1' | 'sha256', text: string): string {
  return process.getBuiltinModule('node:crypto').createHash(algorithm).update(text).digest('hex')
}

/** Takes one block of 64 bytes into the state. */
type Take = (block: Buffer, at: number, words: Uint32Array, state: Uint32Array) => void

function digest(text: string, start: Uint32Array, words: Uint32Array, take: Take): string {
  const bytes = Buffer.from(text)
  const padded = Buffer.alloc((((bytes.length + 8) >> 6) << 6) + 64)
  bytes.copy(padded)
  padded[bytes.length] = 0x80
  padded.writeBigUInt64BE(BigInt(bytes.length) * 8n, padded.length - 8)
  const state = Uint32Array.from(start)
  for (let at = 0; at < padded.length; at += 64) take(padded, at, words, state)
  return Array.from(state, (word) => word.toString(16).padStart(8, '0')).join('')
}

function take1(block: Buffer, at: number, words: Uint32Array, state: Uint32Array): void {
  const word = (index: number) => words[index] ?? 0
  for (let i = 0; i < 16; i++) words[i] = block.readUInt32BE(at + i * 4)
  for (let i = 16; i < 80; i++) words[i] = turned(word(i - 3) ^ word(i - 8) ^ word(i - 14) ^ word(i - 16), 31)
  let [a = 0, b = 0, c = 0, d = 0, e = 0] = state
  for (let i = 0; i < 80; i++) {
    const mixed = i < 20 ? (b & c) ^ (~b & d) : i >= 40 && i < 60 ? (b & c) ^ (b & d) ^ (c & d) : b ^ c ^ d
    const next = (turned(a, 27) + mixed + e + (ROUNDS_1[Math.floor(i / 20)] ?? 0) + word(i)) | 0
    ;[e, d, c, b, a] = [d, c, turned(b, 2), a, next]
  }
  for (const [i, value] of [a, b, c, d, e].entries()) state[i] = (state[i] ?? 0) + value
}

function take256(block: Buffer, at: number, words: Uint32Array, state: Uint32Array): void {
  const word = (index: number) => words[index] ?? 0
  for (let i = 0; i < 16; i++) words[i] = block.readUInt32BE(at + i * 4)
  for (let i = 16; i < 64; i++) {
    const [early, late] = [word(i - 15), word(i - 2)]
    const s0 = turned(early, 7) ^ turned(early, 18) ^ (early >>> 3)
    const s1 = turned(late, 17) ^ turned(late, 19) ^ (late >>> 10)
    words[i] = word(i - 16) + s0 + word(i - 7) + s1
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state
  for (let i = 0; i < 64; i++) {
    const choice = (e & f) ^ (~e & g)
    const s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)
    const one = (h + s1 + choice + (ROUNDS[i] ?? 0) + word(i)) | 0
    const majority = (a & b) ^ (a & c) ^ (b & c)
    const two = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + majority) | 0
    ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0]
  }
  for (const [i, value] of [a, b, c, d, e, f, g, h].entries()) state[i] = (state[i] ?? 0) + value
}
