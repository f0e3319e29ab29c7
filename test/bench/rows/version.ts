import type { Row } from '../row.ts'

export default {
  figure: 'version',
  prepare: async (stage) => ({
    floor: { name: 'node -e 0', take: stage.command([process.execPath, '-e', '0']) },
    ours: { name: 'ov --version', take: stage.command(stage.ov('--version')) },
  }),
} satisfies Row
