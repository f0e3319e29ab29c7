import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { memoryOf, pressureOf, readMachine } from '../../src/os/machine.ts'

const GB = 1024 ** 3
let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ov-machine-'))
})
afterEach(() => rmSync(root, { recursive: true }))

/** A kernel of files. */
function kernel(files: Readonly<Record<string, string>>): (path: string) => string | null {
  for (const [path, text] of Object.entries({ '/proc/meminfo': MEMINFO, ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return (path) => {
    const file = join(root, path)
    return existsSync(file) && statSync(file).isFile() ? readFileSync(file, 'utf8') : null
  }
}

const MEMINFO = `MemTotal:       ${8 * 1024 ** 2} kB\nMemFree:         100000 kB\nMemAvailable:   ${6 * 1024 ** 2} kB\n`

test('this machine tells what it has left', () => {
  const { memory, disks, loadPerCore, writable } = readMachine([join(root, 'state'), '/proc'])
  expect(memory?.available).toBeGreaterThan(0)
  expect(memory?.available).toBeLessThanOrEqual(memory?.total ?? 0)
  expect(disks.map(({ folder }) => folder)).toEqual([join(root, 'state'), '/proc'])
  expect(disks[0]?.free).toBeGreaterThan(0)
  expect(loadPerCore).toBeGreaterThanOrEqual(0)
  expect(writable).toBe(true)
})

test('without limits memory is what the kernel says is available, not what is unused', () => {
  expect(memoryOf(kernel({ '/proc/self/cgroup': '0::/\n' }))).toEqual({ available: 6 * GB, total: 8 * GB })
  expect(memoryOf(() => null)).toBeNull()
})

test('a container’s limit counts where it is less, its page cache as free (cgroup v2)', () => {
  const group = '/sys/fs/cgroup/user.slice/app.scope'
  const read = kernel({
    '/proc/self/cgroup': '0::/user.slice/app.scope\n',
    [`${group}/memory.max`]: 'max\n',
    [`${group}/memory.current`]: `${GB}\n`,
    '/sys/fs/cgroup/user.slice/memory.max': `${2 * GB}\n`,
    '/sys/fs/cgroup/user.slice/memory.current': `${1.5 * GB}\n`,
    '/sys/fs/cgroup/user.slice/memory.stat': `anon 5\ninactive_file ${0.25 * GB}\n`,
  })
  expect(memoryOf(read)).toEqual({ available: 0.75 * GB, total: 2 * GB })
})

test('a container’s limit counts where its own group is seen as the root (cgroup v1)', () => {
  const read = kernel({
    '/proc/self/cgroup': '9:name=systemd:/docker/abc\n4:memory:/docker/abc\n0::/docker/abc\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${GB}\n`,
    '/sys/fs/cgroup/memory/memory.usage_in_bytes': `${GB}\n`,
    '/sys/fs/cgroup/memory/memory.stat': `inactive_file 7\ntotal_inactive_file ${GB / 2}\n`,
  })
  expect(memoryOf(read)).toEqual({ available: GB / 2, total: GB })
  const unlimited = kernel({ '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n' })
  expect(memoryOf(unlimited)).toEqual({ available: 6 * GB, total: 8 * GB })
})

test('pressure is read where the kernel has it, and nothing is made up where it has not', () => {
  const lines = (some: string, full: string) =>
    `some avg10=1.00 avg60=${some} avg300=25.17 total=22\nfull avg10=${full} avg60=3.50 avg300=0.00 total=0\n`
  const read = kernel({
    '/proc/pressure/cpu': 'some avg10=60.69 avg60=47.34 avg300=25.17 total=22025993197\n',
    '/proc/pressure/memory': lines('9.00', '12.25'),
    '/proc/pressure/io': lines('9.00', '0.00'),
  })
  expect(pressureOf(read)).toEqual({ cpu: 47.34, memory: 12.25, io: 3.5 })
  expect(pressureOf(() => null)).toBeNull()
})
