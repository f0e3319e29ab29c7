#!/usr/bin/env node
// The version is checked before anything that needs a newer Node is even parsed. No `await` at the top: this is built
// as CommonJS, which Node starts faster.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (process.argv[2] === 'hook') {
  // Not for people: every tool that an agent writes with waits for it.
  void import('./hooks/hook-main.ts').then(({ hookMain }) => hookMain(process.argv.slice(3)))
} else if (process.argv[2] === 'watcher') {
  // Not for people either: it is resident all day, and loads as little as it can.
  void import('./cli/watcher.ts').then(({ watcherMain }) => watcherMain(process.argv.slice(3)))
} else if (major > 22 || (major === 22 && minor >= 13)) {
  void import('./cli/hot.ts').then(({ enter }) => enter(process.argv.slice(2)))
} else {
  void import('./cli/newer-node.ts').then(({ rerun }) => rerun(import.meta.url))
}

export {}
