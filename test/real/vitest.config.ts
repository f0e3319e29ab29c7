import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'

/** Tests that drive real agent CLIs, installed from npm, against a scripted model on loopback. */
export default defineConfig({
  root: resolve(import.meta.dirname, '..', '..'),
  test: {
    include: ['test/real/**/*.test.ts'],
    // Codex lets agents write to /tmp: what they must not write to lies elsewhere.
    env: { TMPDIR: '/var/tmp' },
    testTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    hookTimeout: 300_000,
    maxWorkers: 2,
    // Of the proofs of a CLI; most of the time each waits.
    maxConcurrency: 4,
  },
})
