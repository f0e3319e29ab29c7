import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { Config } from '@oclif/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Completion, complete, type Live } from '../../src/cli/complete.ts'
import { completionScript, SHELLS } from '../../src/cli/completion-scripts.ts'
import { findProgram } from '../../src/os/files.ts'
import { type Home, makeHome, makeRepo, OV } from '../rig/sandbox-home.ts'

let config: Config
beforeAll(async () => {
  config = await Config.load(resolve(import.meta.dirname, '..', '..'))
})

const LIVE: Live = {
  agent: async () => [
    { word: 'builder-1', about: 'working: Shout' },
    { word: 'lead-1', about: 'waiting: Lead' },
  ],
  run: async () => [{ word: 'run-1', about: '2 agents' }],
  runtime: async () => [{ word: 'shell', about: '' }],
}

const words = (found: Completion) => (found === 'files' ? found : found.map(({ word }) => word))
const offered = async (...typed: string[]) => words(await complete(typed, config, LIVE))

describe('what may stand next', () => {
  test('commands and topics by their beginning, hidden ones never', async () => {
    expect(await offered('sl')).toEqual(['sling'])
    expect(await offered('mail', 'se')).toEqual(['search', 'send'])
    expect(await offered('compl')).toEqual(['completion'])
    expect(await offered('')).toContain('mail')
  })

  test('what stands below a command that is a topic too, and whatever ov help is asked about', async () => {
    expect(await offered('coordinator', '')).toContain('status')
    expect(await offered('watch', 'st')).toEqual(['status', 'stop'])
    expect(await offered('watch', '--')).toContain('--once')
    expect(await offered('help', 'mail', 'se')).toEqual(['search', 'send'])
  })

  test('agents where an agent belongs, each once, and several where several may be given', async () => {
    expect(await offered('inspect', '')).toEqual(['builder-1', 'lead-1'])
    expect(await offered('stop', 'builder-1', '')).toEqual(['lead-1'])
    expect(await offered('mail', 'send', '--to', 'le')).toEqual(['lead-1'])
    expect(await offered('nudge', '--quiet', 'b')).toEqual(['builder-1'])
  })

  test('values of flags: options, runs, runtimes, files; also behind an equals sign', async () => {
    expect(await offered('sling', '--capability', 'bu')).toEqual(['builder'])
    expect(await offered('sling', '-c', 'bu')).toEqual(['builder'])
    expect(await offered('sling', '--capability=bu')).toEqual(['--capability=builder'])
    expect(await offered('status', '--run', '')).toEqual(['run-1'])
    expect(await offered('sling', '--runtime', '')).toEqual(['shell'])
    expect(await offered('sling', '--task-file', '')).toBe('files')
  })

  test('flags that have not been given yet, or may be given again', async () => {
    expect(await offered('sling', '--task', 'x', '--t')).toEqual(['--task-file', '--timeout'])
    expect(await offered('sling', '--files', 'x', '--fi')).toEqual(['--files'])
  })

  test('nothing where nobody can know', async () => {
    expect(await offered('sling', '--task', '')).toEqual([])
    expect(await offered('frobnicate', '')).toEqual([])
  })
})

describe('in a shell', () => {
  let home: Home
  let repo: string
  beforeAll(async () => {
    home = makeHome()
    repo = makeRepo(home)
    const bin = join(home.path, 'bin')
    mkdirSync(bin)
    writeFileSync(join(bin, 'ov'), `#!/bin/sh\nexec '${process.execPath}' '${OV}' "$@"\n`)
    chmodSync(join(bin, 'ov'), 0o755)
    for (const shell of SHELLS) writeFileSync(join(home.path, `ov.${shell}`), completionScript(shell))
    expect((await home.ov(repo, ['init'])).ok).toBe(true)
    const task = ['--task', 'Sleep', '--runtime', 'shell', '--command', 'sleep 60', '--name', 'sleeper']
    expect((await home.ov(repo, ['sling', ...task])).ok).toBe(true)
  })
  afterAll(() => home.dispose())

  const lines = (argv: readonly string[]) => {
    const [program = '', ...rest] = argv
    const PATH = `${join(home.path, 'bin')}${delimiter}${home.env.PATH}`
    const out = execFileSync(program, rest, { cwd: repo, env: { ...home.env, PATH }, encoding: 'utf8' })
    return out.split('\n').filter((line) => line !== '')
  }
  const script = (shell: string) => join(home.path, `ov.${shell}`)
  const bash = (...typed: string[]) =>
    lines([
      'bash',
      '-c',
      `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ov; printf '%s\\n' "\${COMPREPLY[@]}"`,
      'bash',
      script('bash'),
      ...typed,
    ])

  test('bash completes commands, agents, runs and what stands behind an equals sign', () => {
    expect(bash('ov', 'sli')).toEqual(['sling'])
    expect(bash('ov', 'logs', 'sle')).toEqual(['sleeper'])
    expect(bash('ov', 'logs', '--')).toContain('--follow')
    expect(bash('ov', 'status', '--run', '=', 'r')).toEqual(['run-1'])
    expect(bash('ov', 'status', '--run', '=')).toEqual(['run-1'])
    expect(bash('ov', 'nothing', '')).toEqual([])
  })

  test.skipIf(findProgram('zsh') === null)('zsh gets names with what they are', () => {
    const shim = `compdef() { : }; _describe() { print -rl -- "\${(@P)3}" }`
    const code = `${shim}; source $1; shift; words=("$@"); CURRENT=$#; _ov`
    expect(lines(['zsh', '-fc', code, 'zsh', script('zsh'), 'ov', 'logs', 'sle'])[0]).toMatch(/^sleeper:\w+: Sleep$/)
  })

  test.skipIf(findProgram('fish') === null)('fish gets names with what they are', () => {
    const code = `source ${script('fish')}; complete -C 'ov logs sle'`
    expect(lines(['fish', '--no-config', '-c', code])[0]).toMatch(/^sleeper\t\w+: Sleep$/)
  })
})
