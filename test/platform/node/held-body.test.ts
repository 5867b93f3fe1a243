// Canary of src/platform/node/held-body.ts: fails when Node changes what it leans on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'

import { ByteCollector } from '../../../src/bytes/byte-collector.ts'
import { holdBody } from '../../../src/platform/node/held-body.ts'
import { soon } from '../../support/deadline.ts'
import { connectRaw, rawRequest } from '../../support/raw-client.ts'
import type { Cleanup } from '../../support/scripted-upstream.ts'

async function sendHeld(t: Cleanup, body: Buffer) {
  const held = new ByteCollector()
  const arrived = Promise.withResolvers<{ request: IncomingMessage; release: () => void }>()
  const server = createServer((request, response) => {
    arrived.resolve({ request, release: holdBody(request, held) })
    request.on('end', () => response.end())
  })
  t.after(() => server.close().closeAllConnections())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = await connectRaw(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  client.send(rawRequest('POST /', {}, body))
  return { client, held, ...(await soon(arrived.promise, () => 'a request')) }
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

suite('A body on hold', () => {
  for (const length of [0, 1, 1_000, 1_000_000]) {
    test(`of ${length} bytes is read whole later`, async (t) => {
      const body = Buffer.alloc(length, 'abcdefg')
      const { client, held, request, release } = await sendHeld(t, body)
      const wanted = Math.min(length, request.readableHighWaterMark)
      while (held.length < wanted) await nextTurn()
      assert.equal(request.readableLength, 0)
      release()
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      assert.equal((await client.response()).status, 200)
      assert.ok(Buffer.concat(pieces).equals(body))
    })
  }

  test('does not grow without a bound', async (t) => {
    const { held, request } = await sendHeld(t, Buffer.alloc(20_000_000))
    while (held.length < request.readableHighWaterMark) await nextTurn()
    for (let turns = 0; turns < 200; turns += 1) await nextTurn()
    assert.ok(held.length <= 2 * request.readableHighWaterMark)
  })
})
