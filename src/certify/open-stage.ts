import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { makeGround, setUp } from './ground.ts'
import { startJob } from './job.ts'
import { startLlm } from './llm/server.ts'
import { type Candidate, ownOf, type Stage, type StageOptions } from './stage.ts'
import { Unproved } from './unproved.ts'

/** Longest that anything takes which goes well, on a busy machine. */
const PATIENCE_MS = 120_000
/** Between two looks at what this process itself knows, and at what another process is asked for. */
const LOOK_MS = 50
const ASK_MS = 700

/** @param signal ends all of it at once */
export async function openStage(candidate: Candidate, options: StageOptions, signal?: AbortSignal): Promise<Stage> {
  const { trial, id } = candidate.runtime
  const llm = await startLlm(trial)
  const key = trial.key(randomBytes(24).toString('base64url'))
  const setting = trial.setting({ url: llm.url, key, as: options.as ?? 'key' })
  // What a program is run by may lie beside it.
  const path = `${dirname(candidate.program)}:${process.env.PATH}`
  const ground = makeGround(candidate.ov, () => ({ PATH: path, ...setting.env }))
  const { machine } = ground
  const close = async () => {
    signal?.removeEventListener('abort', close)
    // First what may not outlive us, where there is little time left.
    const disposed = machine.dispose()
    await llm.close()
    await disposed
  }
  signal?.addEventListener('abort', close)

  const stage: Stage = {
    ...ground,
    candidate,
    llm,
    key,
    setting,
    atHome(files) {
      for (const { path, content } of files) {
        const file = join(machine.env.HOME, path)
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, content, { mode: 0o600 })
      }
    },
    sling: (steps, request = {}) => startJob(stage, steps, request),
    running: () =>
      machine.processes().flatMap(({ pid, program, argv }) => {
        const isCli = trial.executables.some((end) => program.endsWith(end)) && trial.isItself?.(argv) !== false
        return isCli ? [pid] : []
      }),
    async until(what, look, ms = PATIENCE_MS) {
      const deadline = performance.now() + ms
      for (;;) {
        const began = performance.now()
        const found = await look()
        if (found !== null) return found
        if (performance.now() > deadline) throw new Unproved(`${what}: not within ${Math.round(ms / 1000)} s.`)
        signal?.throwIfAborted()
        await delay(performance.now() - began > LOOK_MS ? ASK_MS : LOOK_MS)
      }
    },
    close,
  }
  try {
    stage.atHome(setting.files)
    const runtime = { default: id, [id]: { binary: candidate.program, ...setting.section } }
    await setUp(ground, { runtime, ...options.config }, ownOf(candidate))
    return stage
  } catch (error) {
    await close()
    throw error
  }
}
