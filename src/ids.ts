import { closeSync, openSync, readSync } from 'node:fs'
import { v7 } from 'uuid'

/** Random bytes are fetched for so many ids at once. */
const IDS_PER_FETCH = 64
const BYTES = 16

let random: Uint8Array = new Uint8Array(0)
let used = 0
/** The ms and the counter of the last id: within a ms ids go up by the counter, as the standard proposes. */
let lastMs = 0
let counter = 0

/** A new UUIDv7: unique, and ordered by the time it was made. */
export function newId(): string {
  const bytes = sixteenRandomBytes()
  const now = Date.now()
  if (now > lastMs) {
    lastMs = now
    // 30 of the 32 bits it has, so that it never runs over.
    counter = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) >>> 2
  } else counter += 1
  return v7({ random: bytes, msecs: lastMs, seq: counter })
}

/** From the kernel itself: to load Node's module of cryptography takes longer than all else a short command does. */
function sixteenRandomBytes(): Uint8Array {
  if (used >= random.length) {
    random = new Uint8Array(IDS_PER_FETCH * BYTES)
    const source = openSync('/dev/urandom', 'r')
    try {
      // The kernel gives up to 256 bytes whole; more may come in parts.
      for (let got = 0; got < random.length; ) got += readSync(source, random, got, random.length - got, null)
    } finally {
      closeSync(source)
    }
    used = 0
  }
  used += BYTES
  return random.subarray(used - BYTES, used)
}
