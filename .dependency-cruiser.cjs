/** Who may import whom: the layers of ARCHITECTURE.md, as a check. */
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

module.exports = {
  forbidden: [
    rule('no-cycles', 'A module cannot be understood before itself.', {}, { circular: true }),
    rule(
      'runtimes-describe',
      'An adapter knows the contract and nothing else.',
      { path: '^runtimes/' },
      { pathNot: '^src/contract/', path: '^(src|commands|runtimes)/' },
    ),
    rule(
      'engine-knows-no-commands',
      'The engine is told, it does not ask.',
      { path: '^src/' },
      { path: '^(commands|runtimes)/' },
    ),
    rule('commands-stand-alone', 'What two commands share is a story.', { path: '^commands/' }, { path: '^commands/' }),
    rule(
      'contract-imports-nothing',
      'The vocabulary stands on nothing of ours.',
      { path: '^src/contract/' },
      { path: '^src/', pathNot: '^src/contract/' },
    ),
    rule(
      'only-the-cli-talks',
      'Nothing below the command line knows a terminal.',
      { path: '^(src|runtimes)/', pathNot: '^src/cli/' },
      { path: 'node_modules/(@oclif|chalk|listr2|ink)' },
    ),
    rule(
      'git-by-one-module',
      'src/os/git.ts is the only caller of git.',
      { path: '^(src|commands|runtimes)/', pathNot: '^src/os/git\\.ts$' },
      { path: 'node_modules/simple-git' },
    ),
    rule(
      'sqlite-by-one-module',
      'src/db alone opens a database.',
      { path: '^(src|commands|runtimes)/', pathNot: '^src/db/(open|repair|glance)\\.ts$' },
      { path: 'node_modules/better-sqlite3' },
    ),
    rule(
      'effects-in-os',
      'Processes are started in src/os alone.',
      { path: '^(src|commands|runtimes)/', pathNot: '^src/(os/|cli/newer-node|runner/session)' },
      { path: '^(child_process|node:child_process)$|node_modules/execa' },
    ),
    rule('stores-stand-alone', 'A store knows its own tables.', { path: '/store\\.ts$' }, { path: '/store\\.ts$' }),
    rule(
      'no-dev-in-product',
      'What ships needs only what ships.',
      { path: '^(src|commands|runtimes)/' },
      { dependencyTypes: ['npm-dev'], pathNot: '@types/' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },

    tsPreCompilationDeps: true,
    parser: 'swc',
    enhancedResolveOptions: { extensions: ['.ts', '.js'], conditionNames: ['import', 'node', 'default'] },
  },
}
