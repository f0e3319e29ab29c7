#!/usr/bin/env node
// Nothing is imported statically: the version is checked before anything that needs a newer Node is even parsed.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major > 22 || (major === 22 && minor >= 13)) {
  await import('./cli/door.ts').then(({ enter }) => enter(process.argv.slice(2)))
} else {
  await import('./cli/newer-node.ts').then(({ rerun }) => rerun(import.meta.url))
}

export {}
