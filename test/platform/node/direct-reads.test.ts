// Canary of src/platform/node/direct-reads.ts: fails when Node changes what it leans on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'

import { directReads, readDirectly } from '../../../src/platform/node/direct-reads.ts'

/** Both ends of a connection; the first reads directly. */
async function connected(t: TestContext): Promise<[Socket, Socket]> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const accepted = once(server, 'connection')
  const near = connect({ port, host: '127.0.0.1', onread: directReads })
  readDirectly(near)
  const [far] = (await accepted) as [Socket]
  t.after(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return [near, far]
}

test('a piece is handed over in the turn of its read, in memory of its own, and nothing keeps it', async (t) => {
  const [near, far] = await connected(t)
  const taken: string[] = []
  const pieces: Buffer[] = []
  const callers: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  near.on('readable', () => {
    for (let piece = near.read() as Buffer | null; piece !== null; piece = near.read() as Buffer | null) {
      pieces.push(piece)
      assert.equal(near.readableLength, 0)
    }
    taken.push(Buffer.concat(pieces).toString())
    callers.push(new Error('here').stack ?? '')
    if (pieces.length === 1) far.write('second')
    else resolve()
  })
  far.write('first ')
  await promise
  assert.deepEqual(taken, ['first ', 'first second'])
  assert.deepEqual(pieces.map(String), ['first ', 'second'])
  for (const stack of callers) assert.match(stack, /onStreamRead/)
})

test('a small piece that is kept keeps little memory alive with it', async (t) => {
  const [near, far] = await connected(t)
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  near.once('readable', () => resolve(near.read() as Buffer))
  far.write('an event')
  const piece = await promise
  assert.equal(String(piece), 'an event')
  assert.ok(piece.buffer.byteLength <= 4096, `${piece.buffer.byteLength} bytes`)
})

test('what its listener does not take is kept in order, and the other end waits', async (t) => {
  const [near, far] = await connected(t)
  const sent = Buffer.alloc(4_000_000, 'abcdefghijk')
  let isPaused = true
  const got: Buffer[] = []
  const take = () => {
    if (isPaused) return
    for (let piece = near.read() as Buffer | null; piece !== null; piece = near.read() as Buffer | null) {
      // Puts a part back, as a parser does that is paused.
      if (got.length % 3 === 0 && piece.length > 10) {
        near.unshift(piece.subarray(10))
        got.push(Buffer.from(piece.subarray(0, 10)))
      } else got.push(piece)
    }
  }
  near.on('readable', take)
  far.end(sent)
  await once(near, 'readable')
  while (near.readableLength < near.readableHighWaterMark) {
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  assert.ok(near.readableLength < sent.length)
  isPaused = false
  const ended = once(near, 'end')
  take()
  await ended
  assert.ok(Buffer.concat(got).equals(sent))
})
