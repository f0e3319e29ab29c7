import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { openFleet } from '../fleet.ts'
import { bareAgent, bareStop } from '../floors.ts'
import type { Row } from '../row.ts'
import { signsIn } from '../signs.ts'

export default {
  figure: 'stop',
  async prepare(stage) {
    const cwd = await stage.project({ config: '{ agents: { maxSessionsPerRun: 100000 } }' })
    const fleet = openFleet(stage, cwd)
    const signs = signsIn(join(stage.home.path, 'signs'))
    const agent = bareAgent(stage)
    const stop = bareStop(stage)
    return {
      floor: {
        name: 'node, kill a process group',
        take() {
          const group = execFileSync('/bin/sh', [agent], { encoding: 'utf8', env: { ...stage.home.env } }).trim()
          return stage.run([process.execPath, stop, group])
        },
      },
      ours: {
        name: 'ov stop',
        async take(round) {
          const command = `sleep 600 & : >'${signs.path(`${round}`)}'; wait`
          const name = `agent-${round}`
          const sling = ['sling', '--runtime', 'shell', '--name', name, '--task', `Task ${round}`, '--command', command]
          await stage.run(stage.ov(...sling), { cwd })
          await signs.untilThere(round + 1)
          const taken = await stage.run(stage.ov('stop', name), { cwd })
          await fleet.stopAll()
          return taken
        },
      },
    }
  },
} satisfies Row
