// An answer on its way to a client, over a real connection.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'

import { renderError } from '../../src/dialects/openai/errors.ts'
import { HttpReply } from '../../src/server/reply.ts'
import { connectRaw, type RawClient, rawRequest } from '../support/raw-client.ts'

/** A server whose answers the test writes, and a client of it that sends so many requests at once. */
async function startReplies(
  t: TestContext,
  requests: number,
): Promise<{ client: RawClient; replies: HttpReply[] }> {
  const replies: HttpReply[] = []
  const arrived = Promise.withResolvers<void>()
  const server = createServer((_, response) => {
    replies.push(new HttpReply(response, [], renderError))
    if (replies.length === requests) arrived.resolve()
  })
  t.after(() => server.close().closeAllConnections())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = await connectRaw(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  client.send(Buffer.concat(Array.from({ length: requests }, () => rawRequest('GET /'))))
  await arrived.promise
  return { client, replies }
}

/**
 * Writes until the client is behind: the kernel may take tens of megabytes for it at once, which is no reason to wait.
 * @returns how many bytes were written.
 */
function fill(reply: HttpReply): number {
  const bytes = Buffer.alloc(4_000_000, 'x')
  let written = bytes.length
  while (reply.write(bytes)) written += bytes.length
  return written
}

test('a first write of no bytes does not keep the head back', async (t) => {
  const { client, replies } = await startReplies(t, 1)
  const [reply] = replies
  reply!.start(200, [])
  reply!.write(Buffer.alloc(0))
  reply!.write(Buffer.from('one'))
  reply!.end(Buffer.from('two'))
  assert.equal((await client.response()).body().toString(), 'onetwo')
})

test('nothing that is written after its end reaches the client', async (t) => {
  const { client, replies } = await startReplies(t, 2)
  const [first, second] = replies
  first!.start(200, [])
  first!.write(Buffer.from('one'))
  first!.end()
  first!.write(Buffer.from('late'))
  second!.start(200, [])
  second!.end(Buffer.from('two'))
  assert.equal((await client.response()).body().toString(), 'one')
  assert.equal((await client.response()).body().toString(), 'two')
})

test('answers to requests that came at once stay apart and in order', async (t) => {
  const { client, replies } = await startReplies(t, 3)
  for (const turn of [0, 1, 2]) {
    for (const [index, reply] of replies.toReversed().entries()) {
      reply.start(200, index === 1 ? ['content-length', '300000'] : [])
      reply.write(Buffer.alloc(100_000, `${2 - index}${turn}`))
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  for (const reply of replies.toReversed()) reply.end()
  for (const place of [0, 1, 2]) {
    const response = await client.response()
    const expected = [0, 1, 2].map((turn) => Buffer.alloc(100_000, `${place}${turn}`))
    assert.ok(response.body().equals(Buffer.concat(expected)), `answer ${place}`)
  }
})

test('each time that a client is too slow, its drain is told once', async (t) => {
  const { client, replies } = await startReplies(t, 2)
  client.pause()
  for (const [index, reply] of replies.entries()) {
    let written = 0
    reply.start(200, [])
    for (let turn = 0; turn < 3; turn += 1) {
      let drains = 0
      const drained = Promise.withResolvers<void>()
      reply.onDrain = () => {
        drains += 1
        drained.resolve()
      }
      written += fill(reply) + 4
      assert.equal(reply.write(Buffer.from('more')), false)
      client.resume()
      await drained.promise
      client.pause()
      await new Promise((resolve) => setImmediate(resolve))
      assert.equal(drains, 1, `answer ${index}, turn ${turn}`)
    }
    client.resume()
    reply.end()
    assert.equal((await client.response()).body().length, written)
    client.pause()
  }
})

test('what a slow client is sent in tiny writes waits as one piece, in order with what comes before and after', async (t) => {
  const { client, replies } = await startReplies(t, 2)
  client.pause()
  for (const reply of replies) {
    reply.start(200, [])
    const written = fill(reply)
    for (let count = 0; count < 10_000; count += 1) {
      assert.equal(reply.write(Buffer.from(String(count % 10))), false)
    }
    const drained = Promise.withResolvers<void>()
    reply.onDrain = drained.resolve
    client.resume()
    await drained.promise
    reply.write(Buffer.from('after'))
    reply.end(Buffer.from('last'))
    const response = await client.response()
    const expected = `${'x'.repeat(written)}${'0123456789'.repeat(1_000)}afterlast`
    assert.ok(response.body().toString() === expected)
    client.pause()
  }
  const wire = client.received().toString('latin1')
  // One chunk for the write that found the client behind, one for all that came while it was.
  const chunkOfTheRest = (9_999).toString(16)
  assert.equal(wire.split(`\r\n1\r\n0\r\n${chunkOfTheRest}\r\n123456789012`).length, 3)
})

test('an end reaches a slow client behind all that was written before', async (t) => {
  const { client, replies } = await startReplies(t, 1)
  const [reply] = replies
  client.pause()
  reply!.start(200, [])
  reply!.write(Buffer.alloc(8_000_000, 'x'))
  for (const text of ['a', 'b', 'c']) reply!.write(Buffer.from(text))
  reply!.end(Buffer.from('d'))
  reply!.write(Buffer.from('late'))
  client.resume()
  const body = (await client.response()).body().toString()
  assert.ok(body === `${'x'.repeat(8_000_000)}abcd`)
})
