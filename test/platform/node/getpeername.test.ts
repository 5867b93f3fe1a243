// Also the canary for what isConnected leans on in Node: each of these fails when Node changes it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { suite, test, type TestContext } from 'node:test'

import { isConnected } from '../../../src/platform/node/getpeername.ts'
import { soon } from '../../support/deadline.ts'

/** Both ends of a connection; nothing is read from ours, so that Node does not learn what happens to it. */
async function connected(t: TestContext) {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const theirs = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  })
  t.after(() => theirs.destroy())
  const [[ours]] = (await Promise.all([once(server, 'connection'), once(theirs, 'connect')])) as [
    [Socket],
    unknown,
  ]
  t.after(() => ours.destroy())
  return { ours, theirs }
}

async function untilGone(socket: Socket): Promise<void> {
  while (isConnected(socket) !== false) await new Promise((resolve) => setImmediate(resolve))
}

suite('a connection', () => {
  test('stands while both ends are open, and when one has stopped sending', async (t) => {
    const { ours, theirs } = await connected(t)
    assert.equal(isConnected(ours), true)
    theirs.end('all')
    await once(theirs, 'finish')
    assert.equal(isConnected(ours), true)
    ours.end()
    await once(theirs.resume(), 'end')
    assert.equal(isConnected(theirs), false, 'both have')
  })

  test('stands no more once the peer has reset it, whatever Node remembers and the socket still holds', async (t) => {
    const { ours, theirs } = await connected(t)
    assert.equal(ours.remoteAddress, '127.0.0.1')
    await new Promise((resolve) => theirs.write('a request', resolve))
    theirs.resetAndDestroy()
    await soon(untilGone(ours), () => 'the reset')
    assert.deepEqual([ours.destroyed, ours.remoteAddress], [false, '127.0.0.1'])
    const [data] = (await once(ours.on('error', () => {}).resume(), 'data')) as [Buffer]
    assert.equal(data.toString(), 'a request')
  })

  test('stands no more once we have destroyed it', async (t) => {
    const { ours } = await connected(t)
    ours.destroy()
    assert.equal(isConnected(ours), false)
  })

  test('of a Node that lacks what this leans on is not known to stand', () => {
    assert.equal(isConnected({} as Socket), undefined)
    assert.equal(isConnected({ _handle: {} } as unknown as Socket), undefined)
  })
})
