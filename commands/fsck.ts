import { OvCommand } from '../src/cli/command.ts'
import { fsckPicture } from '../src/cli/fsck-picture.ts'
import { EXIT_CODES } from '../src/errors.ts'
import { checkSoundness } from '../src/fsck/fsck.ts'

export default class Fsck extends OvCommand {
  static override summary =
    'Check that what is recorded, the repository and the machine agree, and that nothing is lost'
  static override description =
    `Holds every invariant of the fleet against database, git, processes and files: one owner for each task, every commit reachable, main only where its gates were green, mail delivered once or sent back, no process, lock or worktree without its owner. It only reads.

What is merely in motion is no problem: what a live process owns, and what somebody at work puts right within ten seconds.

Exit codes: 0 sound · 3 something is broken.`
  static override examples = ['<%= config.bin %> fsck', '<%= config.bin %> fsck --json']

  async run() {
    this.humansOnly()
    const soundness = await checkSoundness(process.cwd(), {
      gone: this.gone,
      onCheck: (name, doubts) => {
        if (name === null)
          this.say(`Looking again: ${doubts === 1 ? 'one thing' : `${doubts} things`} may be in motion.`)
        else this.say(`${doubts === 0 ? '✔' : '?'} ${name}`)
      },
    })
    this.log(fsckPicture(soundness))
    if (!soundness.ok) process.exitCode = EXIT_CODES.conflict
    return soundness
  }
}
