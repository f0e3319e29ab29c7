import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findProgram } from '../../src/os/files.ts'
import { plistText } from '../../src/service/plist.ts'
import {
  requireWritablePaths,
  type ServiceSpec,
  serviceEnvironment,
  serviceName,
  unitPath,
  wantsPath,
} from '../../src/service/spec.ts'
import { unitText } from '../../src/service/unit.ts'

const SPEC: ServiceSpec = {
  name: 'ov-shop-1a2b3c4d5e6f',
  project: 'shop',
  folder: '/home/me/shop',
  argv: ['/usr/bin/node', '/usr/lib/ov/main.js', 'watch'],
  environment: { PATH: '/usr/bin:/bin' },
  environmentFile: '/home/me/.config/overstory/service.env',
  log: '/home/me/shop/.overstory/logs/watch.log',
}
/** Everything that means something to systemd or to XML. */
const ODD = `/home/me/100% "mine" & $HOME's <b>\\%h\\x`
const HARD: ServiceSpec = {
  ...SPEC,
  project: `50 % "off"\\`,
  folder: ODD,
  argv: [`${ODD}/node`, `${ODD}/main.js`, 'watch'],
  environment: { PATH: `${ODD}/bin:/bin` },
}

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ov-unit-'))
})
afterEach(() => rmSync(root, { recursive: true }))

test('the unit, whole', async () => {
  await expect(unitText(SPEC, 252)).toMatchFileSnapshot('__snapshots__/ov-shop.service')
})

test('the plist for macOS, whole', async () => {
  await expect(plistText(SPEC)).toMatchFileSnapshot('__snapshots__/ov-shop.plist')
})

test('blanks, percent and dollar signs, quotes and backslashes reach the program as they are', () => {
  const lines = unitText(HARD, 252).split('\n')
  expect(lines).toContain(`WorkingDirectory=/home/me/100%% "mine" & $HOME's <b>\\%%h\\x`)
  const odd = `/home/me/100%% \\"mine\\" & $HOME's <b>\\\\%%h\\\\x`
  expect(lines).toContain(`ExecStart=:"/bin/sh" "-c" "exec \\"$0\\" \\"$@\\"" "${odd}/node" "${odd}/main.js" "watch"`)
  expect(lines).toContain(`Environment="PATH=${odd}/bin:/bin"`)
  expect(lines).toContain('Description=Watches over 50 %% "off"  (ov)')
  const plist = plistText(HARD)
  expect(plist).toContain(`<string>/home/me/100% "mine" &amp; $HOME's &lt;b&gt;\\%h\\x/node</string>`)
})

test.skipIf(findProgram('systemd-analyze') === null)(
  'systemd itself finds nothing to object to, however odd the paths are',
  () => {
    mkdirSync(join(root, 'run'), { mode: 0o700 })
    const blank = join(root, '100% & $HOME', 'node')
    for (const folder of [join(blank, '..'), join(root, ODD)]) mkdirSync(folder, { recursive: true })
    writeFileSync(blank, '#!/bin/sh\n', { mode: 0o755 })
    const specs = [
      { ...SPEC, argv: ['/bin/sh', 'watch'] },
      { ...HARD, folder: join(root, ODD) },
      { ...HARD, argv: [blank, 'watch'] },
    ]
    for (const [number, spec] of specs.entries()) {
      const file = join(root, `${number}.service`)
      writeFileSync(file, unitText(spec, 252))
      const env = { PATH: process.env.PATH, HOME: root, XDG_RUNTIME_DIR: join(root, 'run') }
      const said = execFileSync('sh', ['-c', 'systemd-analyze verify --user "$1" 2>&1', 'sh', file], { env })
      expect(said.toString()).toBe('')
    }
  },
)

test('a newer systemd starts it again later and later; an older one is told nothing it does not know', () => {
  expect(unitText(SPEC, 254)).toContain('RestartSteps=8\nRestartMaxDelaySec=5min\n')
  expect(unitText(SPEC, 253)).not.toContain('RestartSteps')
})

test('of the environment a service gets what it needs, and nothing that may be a secret', () => {
  expect(
    serviceEnvironment({
      PATH: '/bin',
      LC_ALL: 'C.UTF-8',
      https_proxy: 'http://proxy:3128',
      HTTPS_PROXY: 'http://me:hunter2hunter2@proxy:3128',
      HTTP_PROXY: 'http://token@proxy:3128',
      ANTHROPIC_API_KEY: 'sk-ant-0123456789',
      GITHUB_TOKEN: 'x',
      OV_BROKER: '/run/x.sock',
      TMPDIR: '/tmp/sk-ant-abcdefghijkl',
      TZ: 'Europe/\nBerlin',
      SHELL: '',
    }),
  ).toEqual({ LC_ALL: 'C.UTF-8', PATH: '/bin', https_proxy: 'http://proxy:3128' })
})

test('a service is named by its project, in letters that are safe anywhere', () => {
  expect(serviceName('My Shop (2)', 'abc')).toBe('ov-my-shop-2-abc')
  expect(serviceName('../../x', 'abc')).toBe('ov-x-abc')
  expect(serviceName('日本', 'abc')).toBe('ov-project-abc')
  expect(serviceName('x'.repeat(300), 'abc')).toHaveLength('ov--abc'.length + 40)
  const unit = unitPath('/home/me/.config', 'ov-shop-abc')
  expect(unit).toBe('/home/me/.config/systemd/user/ov-shop-abc.service')
  expect(wantsPath(unit)).toBe('/home/me/.config/systemd/user/default.target.wants/ov-shop-abc.service')
})

test('a path that no line of a unit can hold is refused', () => {
  expect(() => requireWritablePaths(HARD)).not.toThrow()
  for (const folder of ['/home/a\nb', '/home/a ', '/home/a\\', '/home/a\u001b[0m'])
    expect(() => requireWritablePaths({ ...SPEC, folder })).toThrow(expect.objectContaining({ code: 'service.path' }))
  for (const file of ['environmentFile', 'log'])
    expect(() => requireWritablePaths({ ...SPEC, [file]: '/home/a\nExecStartPre=/bin/evil/x' })).toThrow(
      expect.objectContaining({ code: 'service.path' }),
    )
})
