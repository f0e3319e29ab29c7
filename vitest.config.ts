import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/real/**'],
    // Generous: a busy machine is slow, and what hangs is found all the same.
    testTimeout: 240_000,
    // What is waited for comes; when, is said by no test.
    expect: { poll: { timeout: 60_000 } },
    hookTimeout: 60_000,
    maxWorkers: 3,
  },
})
