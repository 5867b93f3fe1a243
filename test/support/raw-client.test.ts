import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { connectRaw, exchange, rawRequest } from './raw-client.ts'
import { startUpstream } from './scripted-upstream.ts'
import { bytes, end, reset } from './upstream-script.ts'

test('a request has a host and, with a body, its length, unless the test says otherwise', () => {
  assert.equal(rawRequest('GET /').toString(), 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  const body = rawRequest('POST /', { Host: 'a', 'content-type': undefined }, 'ü').toString()
  assert.equal(body, 'POST / HTTP/1.1\r\ncontent-length: 2\r\nHost: a\r\n\r\nü')
})

test('informational responses come before the final one', async (t) => {
  const server = await startUpstream(t)
  server.respond([bytes('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')])
  const client = await connectRaw(t, server.url)
  client.send(rawRequest('GET /'))
  assert.deepEqual([(await client.response()).status, (await client.response()).status], [100, 200])
})

test('the answer to a HEAD has no body', async (t) => {
  const server = await startUpstream(t)
  server.respond([bytes('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n')])
  assert.equal((await exchange(t, server.url, rawRequest('HEAD /'))).complete, true)
})

test('waiting fails when what is waited for cannot come any more', async (t) => {
  const server = await startUpstream(t)
  server.respond([reset])
  server.respond([bytes('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx')])
  server.respond([bytes('HTTP/1.1 200 OK\r\n\r\nx'), end])
  await assert.rejects(exchange(t, server.url, rawRequest('GET /')), /ended before/)
  for (const error of [/complete without "y"/, /complete without "y"/]) {
    const client = await connectRaw(t, server.url)
    client.send(rawRequest('GET /'))
    await assert.rejects(client.seen('y'), error)
  }
})

test('what is no HTTP response is an error, not an empty one', async (t) => {
  const server = await startUpstream(t)
  server.respond([bytes('SSH-2.0-x\r\n\r\n')])
  await assert.rejects(exchange(t, server.url, rawRequest('GET /')), /not the start/)
})

test('a Unix socket serves as well', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'raw-client-'))
  const socketPath = join(folder, 's')
  const server = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nhello'))
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  t.after(async () => {
    server.close()
    await rm(folder, { recursive: true })
  })
  assert.equal((await exchange(t, { socketPath }, rawRequest('GET /'))).body().toString(), 'hello')
})
