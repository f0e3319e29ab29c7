import { join } from 'node:path'
import { bareInsert } from '../floors.ts'
import type { Row } from '../row.ts'

export default {
  figure: 'mail-send',
  async prepare(stage) {
    const cwd = await stage.project()
    await stage.home.ov(cwd, ['sling', '--runtime', 'shell', '--task', 'Read', '--command', 'sleep 600'])
    const send = stage.ov('mail', 'send', '--to', 'builder-1', '--subject', 'How far are you?', '--body', 'Tell me.')
    return {
      floor: { name: 'node, one INSERT', take: stage.command(bareInsert(stage, join(stage.home.path, 'bare.db'))) },
      ours: { name: 'ov mail send', take: stage.command(send, { cwd }) },
    }
  },
} satisfies Row
