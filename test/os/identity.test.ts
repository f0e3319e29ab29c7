import { spawn } from 'node:child_process'
import { expect, onTestFinished, test } from 'vitest'
import { holdProcess, identify, liveness, signal } from '../../src/os/process.ts'

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
