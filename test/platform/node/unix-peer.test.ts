// Also the canary for what isPeerClosed leans on in Node: each of these fails when Node changes it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { isPeerClosed } from '../../../src/platform/node/unix-peer.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { soon } from '../../support/deadline.ts'

/** Both ends of a connection; nothing is read from ours. */
async function connected(t: TestContext) {
  const path = join(scratchDirectory(t), 'socket')
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(path)
  t.after(() => server.close())
  await once(server, 'listening')
  const theirs = connect({ path, allowHalfOpen: true })
  t.after(() => theirs.destroy())
  const [[ours]] = (await Promise.all([once(server, 'connection'), once(theirs, 'connect')])) as [
    [Socket],
    unknown,
  ]
  t.after(() => ours.destroy())
  return { ours, theirs }
}

async function untilClosed(socket: Socket): Promise<void> {
  while (!isPeerClosed(socket)) await new Promise((resolve) => setImmediate(resolve))
}

suite('the other end of a Unix socket', () => {
  test('is open, also once it has stopped sending, and receives nothing by the question', async (t) => {
    const { ours, theirs } = await connected(t)
    assert.equal(isPeerClosed(ours), false)
    theirs.end('all')
    await once(theirs, 'finish')
    assert.equal(isPeerClosed(ours), false)
    ours.end('answer')
    const [data] = (await once(theirs, 'data')) as [Buffer]
    assert.equal(data.toString(), 'answer')
  })

  test('is closed once it has closed, whatever has not been read', async (t) => {
    const { ours, theirs } = await connected(t)
    await new Promise((resolve) => theirs.write('a request', resolve))
    theirs.destroy()
    await soon(untilClosed(ours), () => 'the end')
    assert.equal(ours.destroyed, false)
    const [data] = (await once(ours.on('error', () => {}).resume(), 'data')) as [Buffer]
    assert.equal(data.toString(), 'a request')
  })

  test('is closed once we have closed ours', async (t) => {
    const { ours } = await connected(t)
    ours.destroy()
    assert.equal(isPeerClosed(ours), true)
  })

  test('is not known to be closed by a Node that lacks what this leans on', () => {
    assert.equal(isPeerClosed({} as Socket), false)
    assert.equal(isPeerClosed({ _handle: {} } as unknown as Socket), false)
  })
})
