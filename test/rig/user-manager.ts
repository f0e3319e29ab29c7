import { existsSync } from 'node:fs'
import { expect } from 'vitest'
import { findProgram } from '../../src/os/files.ts'
import { type MountSpace, mountSpace } from './mount-space.ts'
import type { Home } from './sandbox-home.ts'

const SYSTEMD = '/usr/lib/systemd/systemd'

/** Whether a systemd of a test's own can be had here: it wants control groups it may make, so root. */
export function hasUserManager(): boolean {
  return process.getuid?.() === 0 && existsSync(SYSTEMD) && findProgram('systemctl') !== null
}

/**
 * Starts a real systemd as the user manager of a home, in a mount namespace in which the machine looks as if systemd had
 * booted it. It knows no unit but those of the home, and ends with it.
 */
export async function userManager(home: Home): Promise<MountSpace> {
  const space = await mountSpace(home)
  const begun = await space.sh(
    `mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && setsid ${SYSTEMD} --user --unit=basic.target >'${home.path}/systemd.log' 2>&1 &`,
  )
  expect(begun.output).toBe('')
  const isUp = async () => (await space.sh('systemctl --user is-active basic.target')).stdout
  await expect.poll(isUp, { timeout: 20_000 }).toBe('active\n')
  return space
}
