import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/real/**'],
    // Generous: a busy machine is slow, and what hangs is found all the same.
    testTimeout: 120_000,
    hookTimeout: 60_000,
    maxWorkers: 3,
  },
})
