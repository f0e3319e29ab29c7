/**
 * What the fast door may not load: whatever takes long. Cruised from src/cli/hot*.ts alone, along what is imported at
 * run time, so that each module seen is loaded by it. Not followed is what it imports only when it is needed.
 */
const { options } = require('./.dependency-cruiser.cjs')

const WHEN_NEEDED = [
  '^src/runner/runner-main\\.ts$',
  '^src/cli/door\\.ts$',
  '^src/contract/mail-payloads\\.ts$',
  '^src/config/load\\.ts$',
  '^src/capabilities/manifest\\.ts$',
  '^src/runtimes/own-schema\\.ts$',
  '^src/runtimes/trust\\.ts$',
]

module.exports = {
  forbidden: [
    {
      name: 'fast-door-is-light',
      comment: 'Agents call it all the time, and wait for it.',
      severity: 'error',
      from: { pathNot: WHEN_NEEDED },
      to: {
        path: 'node_modules/(@oclif|zod|yaml|execa|listr2|simple-git|chalk|ink|react)',
        dependencyTypesNot: ['type-only'],
      },
    },
  ],
  options: {
    ...options,
    exclude: { dynamic: true },
    doNotFollow: { path: ['node_modules', ...WHEN_NEEDED], dependencyTypes: ['type-only'] },
  },
}
