import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'

let home: Home
let fleet: Fleet
let server: Server
let got: Record<string, unknown>[]
beforeEach(async () => {
  home = makeHome()
  fleet = await makeFleet(home)
  got = []
  server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      got.push(JSON.parse(body))
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  writeFileSync(
    join(fleet.repo, 'overstory.local.yaml'),
    `notify: { webhook: { url: "http://127.0.0.1:${port}/hook" } }\n`,
  )
})
afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await fleet.db.destroy()
  await home.dispose()
})

test('a trial message is sent, and what went wrong is said', async () => {
  const fine = await home.ov(fleet.repo, ['notify', 'test'])
  expect([fine.code, fine.stdout]).toEqual([0, '✔ webhook\n'])
  expect(got).toMatchObject([{ kinds: ['test'], hint: 'ov status' }])
  server.closeAllConnections()
  server.close()
  const bad = await home.ov(fleet.repo, ['notify', 'test'])
  expect([bad.code, bad.stdout]).toEqual([1, expect.stringMatching(/^✖ webhook: .*ECONNREFUSED/)])
  writeFileSync(join(fleet.repo, 'overstory.local.yaml'), '')
  const none = await home.ov(fleet.repo, ['notify', 'test'])
  expect([none.code, none.output]).toEqual([2, expect.stringContaining('overstory.local.yaml')])
})

test('with a watcher a question is told within seconds, once', async () => {
  await home.ov(fleet.repo, ['watch', '--background'])
  const cursor = () => fleet.db.selectFrom('notify_cursors').selectAll().execute()
  await expect.poll(cursor).toHaveLength(1)
  await fleet.sling('asker', 'ov ask "Which database?"; sleep 1000')
  await expect.poll(() => got).toMatchObject([{ title: 'repo: asker asks', text: 'Which database?' }])
})

test('without a watcher whoever works tells it', async () => {
  await fleet.sling('witness', 'sleep 1000')
  const cursor = () => fleet.db.selectFrom('notify_cursors').selectAll().execute()
  await expect.poll(cursor).toHaveLength(1)
  await fleet.sling('asker', 'ov ask "Which database?"; sleep 1000')
  await expect.poll(() => got).toMatchObject([{ text: 'Which database?' }])
})
