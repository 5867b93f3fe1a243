// Canary of src/platform/node/{own-chunks,head-and-body,response-socket}.ts: fails when Node changes what they lean on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'

import { endWithHead } from '../../../src/platform/node/head-and-body.ts'
import { chunkOf, lastChunk, takeOverFraming } from '../../../src/platform/node/own-chunks.ts'
import { outputOf } from '../../../src/platform/node/response-socket.ts'
import { connectRaw, rawRequest } from '../../support/raw-client.ts'

/** Serves each request of a connection with the next function. Returns what a client receives for all of them. */
async function received(t: TestContext, ...serve: ((response: ServerResponse) => void)[]): Promise<string> {
  const left = [...serve]
  const server = createServer((_, response) => {
    response.sendDate = false
    left.shift()!(response)
  })
  t.after(() => server.close().closeAllConnections())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = await connectRaw(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  let text = ''
  for (const _ of serve) {
    client.send(rawRequest('GET /'))
    const response = await client.response()
    assert.ok(response.complete)
    text += response.body().toString('latin1')
  }
  return text
}

test('chunks that are framed here, and written to the socket, make one response after the other', async (t) => {
  const stream = (response: ServerResponse) => {
    response.writeHead(200)
    assert.equal(takeOverFraming(response), true)
    response.write(chunkOf(Buffer.from('one ')))
    const socket = outputOf(response)
    assert.notEqual(socket, response)
    socket.write(chunkOf(Buffer.from('two ')))
    socket.write(chunkOf(Buffer.alloc(300, '.')))
    response.end(chunkOf(Buffer.from('end '), lastChunk))
  }
  const expected = `one two ${'.'.repeat(300)}end `
  assert.equal(await received(t, stream, stream), expected + expected)
})

test('a body with a length is not framed', async (t) => {
  const send = (response: ServerResponse) => {
    response.writeHead(200, { 'content-length': 6 })
    assert.equal(takeOverFraming(response), false)
    response.write('one')
    outputOf(response).write('two')
    response.end()
  }
  assert.equal(await received(t, send, send), 'onetwoonetwo')
})

test('head and body are one write, and every byte comes as it is', async (t) => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const writes: unknown[] = []
  const send = (response: ServerResponse) => {
    const socket = response.socket!
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
    socket.write = (...args: unknown[]) => {
      writes.push(args[0])
      return write(...args)
    }
    response.writeHead(200, { 'content-length': 256 })
    endWithHead(response, bytes)
  }
  assert.equal(await received(t, send), bytes.toString('latin1'))
  assert.equal(writes.length, 1)
})
