/**
 * What the fast door may not reach: whatever takes long to load. Followed as it is at run time, without types, and
 * without what is loaded only when it is needed.
 */
const { options } = require('./.dependency-cruiser.cjs')

module.exports = {
  forbidden: [
    {
      name: 'fast-door-is-light',
      comment: 'Hundreds of milliseconds a minute: agents call these all the time.',
      severity: 'error',
      from: { path: '^src/cli/hot' },
      to: { path: 'node_modules/(@oclif|zod|yaml|execa|listr2|simple-git|chalk|ink|react)', reachable: true },
    },
  ],
  options: {
    ...options,
    tsPreCompilationDeps: 'specify',
    exclude: { dynamic: true },
    doNotFollow: { path: ['node_modules', '^src/cli/door', '^src/contract/mail-payloads'], dependencyTypes: ['type-only'] },
  },
}
