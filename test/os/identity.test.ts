import { spawn } from 'node:child_process'
import { expect, onTestFinished, test } from 'vitest'
import { allProcesses, holdProcess, identify, liveness, signal } from '../../src/os/process.ts'

test('a pid that another process has by now is gone, and is sent nothing', () => {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' })
  onTestFinished(() => void child.kill('SIGKILL'))
  const now = identify(child.pid ?? 0)
  if (now === null) throw new Error('the child does not run')
  expect(liveness(now)).toBe('alive')
  // As it would be known by a row of its predecessor.
  for (const before of [
    { ...now, start: `${Number(now.start) - 1}` },
    { ...now, boot: 'another-boot' },
  ]) {
    expect(liveness(before)).toBe('gone')
    expect(holdProcess(before).liveness()).toBe('gone')
    expect(signal(before, 'SIGKILL')).toBe(false)
  }
  expect(liveness(now)).toBe('alive')
})

test('a process lives as long as one of its threads does, though its first has ended', async () => {
  // The number of the call that ends a thread.
  const exit = { x64: 60, arm64: 93 }[process.arch as string]
  const script = `use threads; my $one = threads->create(sub { sleep 600 }); syscall(${exit}, 0)`
  const child = spawn('perl', ['-e', script], { stdio: 'ignore' })
  onTestFinished(() => void child.kill('SIGKILL'))
  const pid = child.pid ?? 0
  const first = () => allProcesses().find((one) => one.pid === pid)
  await expect.poll(() => first()?.state).toBe('Z')
  const who = first()
  if (who === undefined) throw new Error('it is not among the processes')
  const held = holdProcess(who)
  expect([liveness(who), held.liveness()]).toEqual(['alive', 'alive'])
  expect(signal(who, 'SIGKILL')).toBe(true)
  await expect.poll(() => [liveness(who), held.liveness()]).toEqual(['gone', 'gone'])
  held.release()
})
