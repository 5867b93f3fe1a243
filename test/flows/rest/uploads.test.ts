// Files go up while they arrive, no faster than the provider takes them.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'

import { startGateway } from '../../support/app.ts'
import { soon, until } from '../../support/deadline.ts'
import { connectRaw, exchange, rawRequest } from '../../support/raw-client.ts'
import { restSetup } from './rest.ts'

const line = 'POST /v1/files'
const form = { 'content-type': 'multipart/form-data; boundary=b' }
const megabyte = 1_048_576
/** What is held for one upload at most: pieces of it in the gateway, and what the system keeps of two connections. */
const mostHeldBytes = 24 * megabyte

/** A provider that reads when the test lets it, and responds when it is told to. */
async function startReader(t: TestContext, isReading = true) {
  const sockets: Socket[] = []
  const hash = createHash('sha256')
  let bytes = 0
  let head = Buffer.alloc(0)
  const server = createServer({ pauseOnConnect: !isReading }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    let isInHead = true
    socket.on('data', (data: Buffer) => {
      let body: Buffer = data
      if (isInHead) {
        head = Buffer.concat([head, data])
        const at = head.indexOf('\r\n\r\n')
        if (at < 0) return
        isInHead = false
        body = head.subarray(at + 4)
        head = head.subarray(0, at)
      }
      bytes += body.length
      hash.update(body)
    })
    if (!isReading) socket.pause()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    provider: { base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` },
    bytes: () => bytes,
    head: () => head.toString('latin1').toLowerCase(),
    digest: () => hash.digest('hex'),
    socket: () => sockets[0]!,
    connected: () => until(() => sockets.length > 0, 'a connection'),
    respond(status: number, body: string) {
      const length = `content-length: ${Buffer.byteLength(body)}`
      sockets[0]!.write(`HTTP/1.1 ${status} X\r\ncontent-type: application/json\r\n${length}\r\n\r\n${body}`)
    },
  }
}

type Reader = Awaited<ReturnType<typeof startReader>>

function setupFor({ provider }: Reader, server: object = {}) {
  return { ...restSetup, providers: { scripted: provider }, server }
}

/** A client that sends as fast as it can, with the number of bytes that the system took of it. */
async function connectSender(t: TestContext, url: string, head: Buffer) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(head)
  let received = ''
  socket.on('data', (data) => (received += data.toString('latin1')))
  return { socket, received: () => received, taken: () => socket.bytesWritten - socket.writableLength }
}

test('a file larger than other bodies may be goes up byte for byte, with its length', async (t) => {
  const reader = await startReader(t)
  const { gateway } = await startGateway(t, setupFor(reader, { max_request_body_bytes: 65_536 }))
  const body = Buffer.alloc(5 * megabyte)
  for (let at = 0; at < body.length; at += 4) body.writeUInt32LE((at * 2_654_435_761) >>> 0, at)
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest(line, { ...form, 'content-length': String(body.length) }))
  client.send(body)
  await until(() => reader.bytes() === body.length, 'all of the file')
  reader.respond(200, '{"id":"file-1"}')
  const response = await client.response()
  assert.equal(response.status, 200)
  assert.equal(reader.digest(), createHash('sha256').update(body).digest('hex'))
  assert.match(reader.head(), new RegExp(`content-length: ${body.length}$`, 'm'))
  assert.match(reader.head(), /content-type: multipart\/form-data; boundary=b\r\n/)
  // The connection goes on.
  client.send(rawRequest('GET /healthz'))
  assert.equal((await client.response()).status, 200)
})

test('one of unknown length goes up in chunks', async (t) => {
  const reader = await startReader(t)
  const { gateway } = await startGateway(t, setupFor(reader))
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest(line, { ...form, 'transfer-encoding': 'chunked' }))
  client.send('3\r\nabc\r\n')
  await until(() => reader.bytes() > 0, 'the first bytes, before the last are sent')
  client.send('2\r\nde\r\n0\r\n\r\n')
  await until(() => reader.bytes() >= 20, 'all of them')
  reader.respond(200, '{"id":"file-1"}')
  assert.equal((await client.response()).status, 200)
  assert.match(reader.head(), /transfer-encoding: chunked/)
  assert.equal(reader.digest(), createHash('sha256').update('3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n').digest('hex'))
})

test('a provider that does not read holds the client back', async (t) => {
  const reader = await startReader(t, false)
  const { gateway } = await startGateway(t, setupFor(reader))
  const size = 256 * megabyte
  const head = rawRequest(line, { ...form, 'content-length': String(size) })
  const { socket, taken } = await connectSender(t, gateway.url, head)
  const piece = Buffer.alloc(megabyte)
  for (let count = 0; count < 64; count += 1) socket.write(piece)
  await reader.connected()
  let [last, still] = [-1, 0]
  await until(() => {
    still = last === taken() ? still + 1 : 0
    last = taken()
    return still === 40
  }, 'the client to be held back')
  assert.ok(taken() < mostHeldBytes, `${taken()} bytes were taken`)
  reader.socket().resume()
  for (let count = 64; count < 256; count += 1) socket.write(piece)
  await until(() => reader.bytes() === size, 'all of the file')
  reader.respond(200, '{"id":"file-1"}')
  await gateway.logged({ event: 'call', status: 200 })
})

test('a provider that refuses a file in the middle is heard, though the client is still sending', async (t) => {
  const reader = await startReader(t)
  const { gateway } = await startGateway(t, setupFor(reader))
  const head = rawRequest(line, { ...form, 'content-length': String(512 * megabyte) })
  const { socket, received } = await connectSender(t, gateway.url, head)
  const piece = Buffer.alloc(megabyte)
  for (let count = 0; count < 8; count += 1) socket.write(piece)
  await until(() => reader.bytes() > megabyte, 'some of the file')
  reader.respond(413, '{"error":{"message":"too large for us"}}')
  await until(() => received().includes('too large for us'), 'the refusal')
  assert.match(received(), /^HTTP\/1\.1 413 /)
  assert.match(received(), /connection: close/i)
  await soon(once(socket, 'close'), () => 'the connection to close')
})

test('a provider that breaks off in the middle does not take the client with it', async (t) => {
  const reader = await startReader(t)
  const { gateway } = await startGateway(t, setupFor(reader))
  const head = rawRequest(line, { ...form, 'content-length': String(512 * megabyte) })
  const { socket, received } = await connectSender(t, gateway.url, head)
  socket.write(Buffer.alloc(2 * megabyte))
  await until(() => reader.bytes() > megabyte, 'some of the file')
  reader.socket().resetAndDestroy()
  await until(() => received().includes('provider_bad_response'), 'the error')
  assert.match(received(), /^HTTP\/1\.1 502 /)
})

test('a client that leaves in the middle ends the upload', async (t) => {
  const reader = await startReader(t)
  const { gateway } = await startGateway(t, setupFor(reader))
  const head = rawRequest(line, { ...form, 'content-length': String(512 * megabyte) })
  const { socket } = await connectSender(t, gateway.url, head)
  socket.write(Buffer.alloc(2 * megabyte))
  await until(() => reader.bytes() > megabyte, 'some of the file')
  const closed = once(reader.socket(), 'close')
  socket.destroy()
  await soon(closed, () => 'the provider to see it')
  assert.equal((await gateway.logged({ event: 'call' }))['status'], 499)
})

test('a file beyond all limits is refused before a byte of it is read', async (t) => {
  const reader = await startReader(t)
  const { gateway } = await startGateway(t, setupFor(reader))
  const response = await exchange(
    t,
    gateway.url,
    rawRequest(line, { ...form, 'content-length': '8589934593' }),
  )
  assert.equal(response.status, 413)
  assert.match(response.body().toString(), /8589934592/)
})

test('without a provider for it, a file has the limit of all bodies', async (t) => {
  const { gateway } = await startGateway(t, { server: { max_request_body_bytes: 1024 } })
  const response = await exchange(t, gateway.url, rawRequest(line, { ...form, 'content-length': '2000' }))
  assert.equal(response.status, 413)
})

test('a model call has the limit of all bodies, whatever else its path has', async (t) => {
  const reader = await startReader(t)
  const { gateway } = await startGateway(t, setupFor(reader, { max_request_body_bytes: 1024 }))
  const length = { 'content-length': '2000' }
  const response = await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', length))
  assert.equal(response.status, 413)
})

test('a client that expects a 100 gets it', async (t) => {
  const reader = await startReader(t)
  const { gateway } = await startGateway(t, setupFor(reader))
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest(line, { ...form, 'content-length': '3', expect: '100-continue' }))
  assert.equal((await client.response()).status, 100)
  client.send('abc')
  await until(() => reader.bytes() === 3, 'the file')
  reader.respond(200, '{"id":"file-1"}')
  assert.equal((await client.response()).status, 200)
})
