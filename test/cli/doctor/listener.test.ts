import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { examineListener } from '../../../src/cli/doctor/listener.ts'
import { findListenRow } from '../../../src/cli/doctor/listening-program.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { startGatewayProcess } from '../../support/gateway-process.ts'
import { startUpstream } from '../../support/scripted-upstream.ts'
import { content, json } from '../../support/upstream-script.ts'
import { echo } from '../../support/gateway-config.ts'

const place = { hosts: ['127.0.0.1'], unixSocket: undefined, waitingSockets: [], hasSockets: false }
const portOf = (url: string) => Number(new URL(url).port)

async function examine(
  port: number,
  more: Partial<Parameters<typeof examineListener>[0]> = {},
  mayRequest = true,
) {
  const [finding] = await examineListener({ ...place, port, ...more }, mayRequest)
  return finding!
}

async function listening(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

test('a port on which the gateway listens is ok', async (t) => {
  const { gateway } = await startGatewayProcess(t, echo)
  const finding = await examine(portOf(gateway.url))
  assert.equal(finding.state, 'ok')
  assert.notEqual(finding.detail, 'free')
})

test('a gateway that refuses this user is still the gateway', async (t) => {
  const upstream = await startUpstream(t)
  upstream.respond(json(403, {}, { 'x-llm-gateway-error': 'user_not_allowed' }))
  const finding = await examine(portOf(upstream.url))
  assert.equal(finding.state, 'ok')
  assert.match(finding.fix!, /access\.allowed_users/)
})

test('a free port is free', async (t) => {
  const server = createServer()
  const port = await listening(t, server)
  await new Promise((resolve) => server.close(resolve))
  assert.equal((await examine(port)).detail, 'free')
})

test('another program is named, with its process', async (t) => {
  const upstream = await startUpstream(t)
  upstream.respond(content(200, 'text/html', '<html>'))
  const finding = await examine(portOf(upstream.url))
  assert.equal(finding.state, 'fail')
  assert.match(finding.detail, new RegExp(`\\(pid ${process.pid}\\)`))
  assert.match(finding.fix!, /server\.port/)
})

test('a program that returns the same body as the gateway is not mistaken for it', async (t) => {
  const upstream = await startUpstream(t)
  upstream.respond(json(200, { status: 'ok' }))
  assert.equal((await examine(portOf(upstream.url))).state, 'fail')
})

test('nothing is requested where a start would fail, nor where systemd holds the socket', async (t) => {
  let connections = 0
  const port = await listening(
    t,
    createServer(() => (connections += 1)),
  )
  assert.equal((await examine(port, {}, false)).state, 'skipped')
  const waiting = await examine(port, { waitingSockets: [`127.0.0.1:${port}`] })
  assert.equal(waiting.state, 'ok')
  assert.equal(connections, 0)
})

test('a file at the path of the Unix socket fails, and a free path does not', async (t) => {
  const folder = scratchDirectory(t)
  const path = join(folder, 'api.sock')
  const look = async () =>
    (await examineListener({ ...place, hosts: [], port: 1, unixSocket: path }, true))[0]!
  assert.equal((await look()).detail, 'free')
  writeFileSync(path, '')
  assert.equal((await look()).state, 'fail')
})

test('the row of the address itself is preferred to one of all addresses', () => {
  const row = (address: string, uid: number, inode: number) =>
    `   0: ${address}:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000  ${uid}        0 ${inode} 1 x`
  const table = ['  sl  local', row('00000000', 1, 11), row('0200007F', 2, 12), row('0100007F', 3, 13)].join(
    '\n',
  )
  assert.equal(findListenRow(table, '127.0.0.1', 4000)?.inode, '13')
  assert.equal(findListenRow(table, '127.0.0.3', 4000)?.inode, '11')
  assert.equal(findListenRow(table, '127.0.0.1', 4001), undefined)
})
