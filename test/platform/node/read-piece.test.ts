// Canary of src/platform/node/read-piece.ts: fails when Node changes what it leans on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'

import { freePiece } from '../../../src/platform/node/read-piece.ts'
import { connectRaw, rawRequest } from '../../support/raw-client.ts'

test('each piece of a body has memory of its own, and none is needed once it has been read', async (t) => {
  const pieces: Buffer[] = []
  const copies: Buffer[] = []
  const server = createServer((request, response) => {
    request.on('data', (piece: Buffer) => {
      // The first comes with the head, and may be a part of its piece.
      if (pieces.push(piece) > 1) assert.equal(piece.buffer.byteLength, piece.byteLength)
      copies.push(Buffer.from(piece))
      freePiece(piece)
    })
    request.on('end', () => response.end())
  })
  t.after(() => server.close().closeAllConnections())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = await connectRaw(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const body = Buffer.alloc(1_000_000, 'abcdefg')
  client.send(rawRequest('POST /', {}, body))
  assert.equal((await client.response()).status, 200)
  assert.ok(pieces.length > 2)
  assert.equal(new Set(pieces.slice(1).map(({ buffer }) => buffer)).size, pieces.length - 1)
  assert.ok(Buffer.concat(copies).equals(body))
})

test('a piece of a pool is not freed', () => {
  const [own, pooled] = [Buffer.allocUnsafeSlow(100), Buffer.from('pooled')]
  freePiece(own)
  freePiece(pooled)
  assert.deepEqual([own.length, pooled.toString()], [0, 'pooled'])
})
