import { spawn } from 'node:child_process'
import { expect, onTestFinished, test } from 'vitest'
import { cpuBelow, identify, signal } from '../../src/os/process.ts'

/** A shell script in a process group of its own, which ends with the test. */
function started(script: string): number {
  const child = spawn('/bin/sh', ['-c', script], { detached: true, stdio: 'ignore' })
  const who = identify(child.pid ?? 0)
  if (who === null) throw new Error('no child')
  onTestFinished(() => {
    if (signal(who, 'SIGTERM')) process.kill(-who.pid, 'SIGKILL')
  })
  return who.pid
}

test('what processes compute is seen from above them, also of those that have ended; its own is not counted', async () => {
  const root = started('(while :; do :; done) & (sleep 1000) & wait')
  await expect.poll(() => cpuBelow(root) ?? 0).toBeGreaterThan(200)
  const ended = `i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done`
  const above = started(`(sh -c '${ended}'; sleep 1000) & wait`)
  await expect.poll(() => cpuBelow(above) ?? 0).toBeGreaterThan(100)
  let before: number | null = null
  const atRest = () => {
    const now = cpuBelow(above)
    const rests = now === before
    before = now
    return rests ? now : 0
  }
  await expect.poll(atRest, { interval: 100 }).toBeGreaterThan(100)
  const still = started('while :; do :; done')
  expect(cpuBelow(still)).toBe(0)
})

test('of whom the kernel tells nothing, nothing is known', () => {
  expect(cpuBelow(2 ** 22 + 1)).toBeNull()
})
