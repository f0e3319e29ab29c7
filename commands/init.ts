import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OvCommand } from '../src/cli/command.ts'
import { openDatabase } from '../src/db/open.ts'
import { findRoot, stateDirOf } from '../src/project.ts'

export default class Init extends OvCommand {
  static override summary = 'Set up ov in this repository'

  async run() {
    const { root } = await findRoot(process.cwd())
    const dir = stateDirOf(root)
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    writeFileSync(join(dir, '.gitignore'), '*\n')
    await openDatabase(join(dir, 'state.db')).destroy()
    this.log(`ov is set up in ${root}.`)
    return { root }
  }
}
