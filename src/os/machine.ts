import { readFileSync, statfsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { codeOf } from '../errors.ts'
import { isWritable, nearestFolder } from './files.ts'

/** What a machine has left, as its kernel tells it just now. Null where it does not tell. */
export interface Machine {
  readonly memory: Memory | null
  readonly pressure: Pressure | null
  /** Processes that run or want to, for each core, over the last minute. */
  readonly loadPerCore: number | null
  readonly disks: readonly Disk[]
  /** Whether the first of the folders can be written to. */
  readonly writable: boolean
}

/** Bytes. */
export interface Memory {
  /** What can be had without swapping, within every limit that holds for this process. */
  readonly available: number
  readonly total: number
}

/** Percent of the time in which somebody (cpu), or everybody (memory, io), had to wait for it. */
export interface Pressure {
  /** Over the last minute. */
  readonly cpu: number
  /** Over the last ten seconds. */
  readonly memory: number
  /** Over the last minute. */
  readonly io: number
}

/** What is left for this user where a folder lies. */
export interface Disk {
  readonly folder: string
  /** Bytes. */
  readonly free: number
  readonly size: number
  /** Files that can still be made there, and that there can be; null where it does not count them. */
  readonly files: { readonly free: number; readonly size: number } | null
}

/** Gives the text of a file of the kernel's, or null where there is none. */
export type ReadKernel = (path: string) => string | null

/**
 * Reads what the machine has left; it takes a fraction of a millisecond, and starts nothing.
 *
 * @param folders those on whose disks something is written, the one of the state first; they need not exist yet
 */
export function readMachine(folders: readonly string[]): Machine {
  return {
    memory: memoryOf(readKernel),
    pressure: pressureOf(readKernel),
    loadPerCore: loadOf(readKernel),
    disks: folders.map(diskOf),
    writable: isWritable(nearestFolder(folders[0] ?? '/')),
  }
}

/** Processes that want to run, over the last minute, for each core; null where the kernel does not tell. */
export function loadPerCore(): number | null {
  return loadOf(readKernel)
}

function readKernel(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    // None, not for us, or a kernel that was built without it (EOPNOTSUPP).
    if (codeOf(error) === undefined) throw error
    return null
  }
}

/** The memory of the machine or, where that is less, of the control groups this process is in (v2 and v1). */
export function memoryOf(read: ReadKernel): Memory | null {
  const info = read('/proc/meminfo')
  const available = kilobytes(info, 'MemAvailable')
  const total = kilobytes(info, 'MemTotal')
  if (available === null || total === null) return null
  const groups = (read('/proc/self/cgroup') ?? '').split('\n').flatMap((line) => groupMemory(line, read))
  return {
    available: Math.min(available, ...groups.map((group) => group.available)),
    total: Math.min(total, ...groups.map((group) => group.total)),
  }
}

function kilobytes(info: string | null, name: string): number | null {
  const [, number] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(info ?? '') ?? []
  return number === undefined ? null : Number(number) * 1024
}

/** Where control groups are mounted, and which of their files tell what. */
const V2 = { mount: '/sys/fs/cgroup', limit: 'memory.max', used: 'memory.current', cache: 'inactive_file' }
const V1 = {
  mount: '/sys/fs/cgroup/memory',
  limit: 'memory.limit_in_bytes',
  used: 'memory.usage_in_bytes',
  cache: 'total_inactive_file',
}
/** Version 1 writes "no limit" as the largest number of pages there is. */
const NO_LIMIT = 2 ** 60

/** What each limited control group around this process has left, by one line of /proc/self/cgroup. */
function groupMemory(line: string, read: ReadKernel): Memory[] {
  const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
  const version = controllers === '' ? V2 : controllers?.split(',').includes('memory') ? V1 : null
  if (version === null || path === undefined) return []
  const found: Memory[] = []
  // In a container the path may be the host's, of which only the end of the way, its root, can be seen.
  for (let at = path; ; at = dirname(at)) {
    const folder = join(version.mount, at)
    const limit = Number(read(join(folder, version.limit))?.trim() || Number.NaN)
    const used = Number(read(join(folder, version.used))?.trim() || Number.NaN)
    if (limit < NO_LIMIT && used >= 0) {
      const cache = new RegExp(`^${version.cache} (\\d+)$`, 'm').exec(read(join(folder, 'memory.stat')) ?? '')?.[1]
      found.push({ available: Math.max(0, limit - used + Number(cache ?? 0)), total: limit })
    }
    if (at === dirname(at)) return found
  }
}

/** Pressure Stall Information, where the kernel has it. */
export function pressureOf(read: ReadKernel): Pressure | null {
  const cpu = stalled(read('/proc/pressure/cpu'), 'some', 'avg60')
  const memory = stalled(read('/proc/pressure/memory'), 'full', 'avg10')
  const io = stalled(read('/proc/pressure/io'), 'full', 'avg60')
  return cpu === null || memory === null || io === null ? null : { cpu, memory, io }
}

function stalled(text: string | null, who: 'some' | 'full', over: 'avg10' | 'avg60'): number | null {
  const [, share] = new RegExp(`^${who} .*\\b${over}=([\\d.]+)`, 'm').exec(text ?? '') ?? []
  return share === undefined ? null : Number(share)
}

function loadOf(read: ReadKernel): number | null {
  const [load] = read('/proc/loadavg')?.split(' ') ?? []
  return load === undefined ? null : Number(load) / availableParallelism()
}

function diskOf(folder: string): Disk {
  const { bavail, blocks, bsize, ffree, files } = statfsSync(nearestFolder(folder))
  return {
    folder,
    free: bavail * bsize,
    size: blocks * bsize,
    files: files === 0 ? null : { free: ffree, size: files },
  }
}
