import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'rolldown'
import { HUMAN } from '../../../src/contract/mail.ts'
import { sendMail } from '../../../src/mail/send.ts'
import { inProject } from '../../rig/project.ts'
import { bareQuery } from '../floors.ts'
import type { Row, Side } from '../row.ts'
import type { Stage } from '../stage.ts'

const NODE = [process.execPath, '-e', '0']
const UNREAD = 10

const bareNode = (stage: Stage): Side => ({ name: 'node -e 0', take: stage.command(NODE) })

/** A command of oclif that does nothing: bundled, with a manifest and compiled code kept, as `ov` is. */
async function bareOclif(stage: Stage): Promise<string[]> {
  const folder = join(stage.home.path, 'bare-oclif')
  mkdirSync(folder)
  const about = { name: 'bare', version: '1.0.0', oclif: { bin: 'bare', commands: './dist/commands' } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(about))
  const oclif = JSON.stringify(resolve('node_modules/@oclif/core/lib/index.js'))
  writeFileSync(
    join(folder, 'main.js'),
    `import { enableCompileCache } from 'node:module'
enableCompileCache(${JSON.stringify(join(folder, 'compiled'))})
import(${oclif}).then(({ run }) => run(process.argv.slice(2), ${JSON.stringify(folder)}))\n`,
  )
  writeFileSync(
    join(folder, 'hello.js'),
    `import { Command } from ${oclif}\nexport default class extends Command { async run() { this.log('Hello.') } }\n`,
  )
  await build({
    input: { main: join(folder, 'main.js'), 'commands/hello': join(folder, 'hello.js') },
    platform: 'node',
    external: ['typescript'],
    logLevel: 'silent',
    output: { dir: join(folder, 'dist'), format: 'cjs' },
  })
  const hello = {
    id: 'hello',
    aliases: [],
    args: {},
    flags: {},
    isESM: false,
    relativePath: ['dist', 'commands', 'hello.js'],
  }
  writeFileSync(
    join(folder, 'oclif.manifest.json'),
    JSON.stringify({ version: about.version, commands: { hello: { ...hello, hiddenAliases: [], strict: true } } }),
  )
  return [process.execPath, join(folder, 'dist', 'main.js'), 'hello']
}

/** A project with a fleet that has done something. */
async function busyProject(stage: Stage): Promise<string> {
  const cwd = await stage.project()
  for (const task of ['One', 'Two', 'Three'])
    await stage.home.ov(cwd, ['sling', '--runtime', 'shell', '--task', task, '--command', 'sleep 600'])
  return cwd
}

export default [
  {
    figure: 'help',
    prepare: async (stage) => ({
      floor: bareNode(stage),
      ours: { name: 'ov --help', take: stage.command(stage.ov('--help')) },
    }),
  },
  {
    figure: 'mail-check-0',
    async prepare(stage) {
      const cwd = await stage.project()
      return {
        floor: bareNode(stage),
        ours: { name: 'ov mail check', take: stage.command(stage.ov('mail', 'check'), { cwd }) },
      }
    },
  },
  {
    figure: 'mail-check-10',
    async prepare(stage) {
      const cwd = await stage.project()
      const check = stage.command(stage.ov('mail', 'check', '--inject'), { cwd })
      return {
        floor: bareNode(stage),
        ours: {
          name: 'ov mail check, 10 unread',
          async take() {
            await inProject(stage.home, cwd, async (project) => {
              for (let i = 0; i < UNREAD; i++)
                await sendMail(project, {
                  from: HUMAN,
                  to: HUMAN,
                  type: 'status',
                  subject: `Number ${i}`,
                  body: 'Tell me.',
                })
            })
            return check()
          },
        },
      }
    },
  },
  {
    figure: 'status',
    async prepare(stage) {
      const cwd = await busyProject(stage)
      const query = bareQuery(stage, join(cwd, '.overstory', 'state.db'))
      return {
        floor: { name: 'node, one SELECT', take: stage.command(query) },
        ours: { name: 'ov status --json', take: stage.command(stage.ov('status', '--json'), { cwd }) },
      }
    },
  },
  {
    figure: 'other-command',
    async prepare(stage) {
      const cwd = await busyProject(stage)
      return {
        floor: { name: 'oclif, nothing done', take: stage.command(await bareOclif(stage)) },
        ours: { name: 'ov mail list', take: stage.command(stage.ov('mail', 'list'), { cwd }) },
      }
    },
  },
] satisfies Row[]
