// Request bodies in a content coding, as Codex and others send them: decoded under the limit, and sent on as they are.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test, type TestContext } from 'node:test'
import {
  brotliCompressSync,
  constants,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib'
import { startGateway } from '../support/app.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { hang, json } from '../support/upstream-script.ts'

const chat = 'POST /v1/chat/completions'
const small = '{"model":"plain","messages":[]}'
const large = JSON.stringify({
  model: 'plain',
  messages: Array.from({ length: 400 }, (_, turn) => ({ role: 'user', content: `${turn} `.repeat(200) })),
})

const codings: readonly (readonly [header: string, encode: (bytes: Buffer) => Buffer])[] = [
  ['gzip', gzipSync],
  ['x-gzip', gzipSync],
  ['GZIP', gzipSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
  ['deflate', deflateSync],
  ['deflate', deflateRawSync],
  ['identity', (bytes) => bytes],
]

for (const [coding, encode] of codings) {
  test(`a body in ${coding} (${encode.name}) reaches the provider decoded`, async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, { choices: [] }))
    for (const body of [small, large]) {
      const coded = encode(Buffer.from(body))
      const request = rawRequest(chat, { 'content-encoding': coding }, coded)
      assert.equal((await exchange(t, gateway.url, request)).status, 200)
      const received = await upstream.nextRequest()
      assert.equal(received.body.toString(), body)
      assert.equal(received.header('content-encoding'), undefined)
      assert.equal(received.header('content-length'), String(Buffer.byteLength(body)))
    }
  })
}

test('a coded body that comes in chunks of a byte is decoded, too', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(json(200, { choices: [] }))
  const client = await connectRaw(t, gateway.url)
  const headers = {
    'content-type': 'application/json',
    'transfer-encoding': 'chunked',
    'content-encoding': 'zstd',
  }
  client.send(rawRequest(chat, headers))
  for (const byte of zstdCompressSync(small)) {
    client.send(Buffer.concat([Buffer.from('1\r\n'), Buffer.from([byte]), Buffer.from('\r\n')]))
  }
  client.send('0\r\n\r\n')
  assert.equal((await client.response()).status, 200)
  assert.equal((await upstream.nextRequest()).body.toString(), small)
})

const bombs: readonly (readonly [string, Buffer])[] = [
  ['gzip', gzipSync(Buffer.alloc(50_000_000, ' '))],
  [
    'br',
    brotliCompressSync(Buffer.alloc(50_000_000, ' '), { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
  ],
  ['zstd', zstdCompressSync(Buffer.alloc(50_000_000, ' '))],
  ['deflate', deflateSync(Buffer.alloc(50_000_000, ' '))],
]

for (const [coding, bomb] of bombs) {
  test(`a body that ${coding} hides the size of is refused by its decoded size, and the gateway goes on`, async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      server: { max_request_body_bytes: 1_000_000, body_memory_bytes: 2_000_000 },
    })
    assert.ok(bomb.length < 1_000_000)
    for (let attempt = 0; attempt < 12; attempt += 1) {
      const response = await exchange(t, gateway.url, rawRequest(chat, { 'content-encoding': coding }, bomb))
      assert.equal(response.status, 413)
      assert.equal(response.header('x-llm-gateway-error'), 'request_too_large')
    }
    assert.equal(upstream.requests.length, 0)
    upstream.respond(json(200, { choices: [] }))
    const request = rawRequest(chat, { 'content-encoding': 'gzip' }, gzipSync(small))
    assert.equal((await exchange(t, gateway.url, request)).status, 200)
  })
}

const broken: readonly (readonly [what: string, coding: string, body: Buffer])[] = [
  ['plain JSON', 'zstd', Buffer.from(small)],
  ['plain JSON', 'gzip', Buffer.from(small)],
  ['half a body', 'gzip', gzipSync(large).subarray(0, 200)],
  ['half a body', 'br', brotliCompressSync(large).subarray(0, 200)],
  ['half a body', 'zstd', zstdCompressSync(large).subarray(0, -1)],
  ['half a body', 'deflate', deflateSync(large).subarray(0, -1)],
  ['more behind it', 'br', Buffer.concat([brotliCompressSync(small), Buffer.from('{}')])],
  ['more behind it', 'zstd', Buffer.concat([zstdCompressSync(small), Buffer.from('{}')])],
  ['more behind it', 'deflate', Buffer.concat([deflateSync(small), Buffer.from('{}')])],
  ['more behind it', 'gzip', Buffer.concat([gzipSync(small), Buffer.from('{}')])],
  ['nothing', 'gzip', Buffer.alloc(0)],
  [
    'a window of 128 MiB',
    'zstd',
    zstdCompressSync(Buffer.alloc(9_000_000), { params: { [constants.ZSTD_c_windowLog]: 27 } }),
  ],
]

for (const [what, coding, body] of broken) {
  test(`${what} in ${coding} is refused by name`, async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const headers = { 'content-encoding': coding, 'anthropic-version': '2023-06-01' }
    const response = await exchange(t, gateway.url, rawRequest(chat, headers, body))
    assert.equal(response.status, 400)
    const { error } = JSON.parse(response.body().toString()) as { error: { param: string; message: string } }
    assert.equal(error.param, 'content-encoding')
    assert.match(error.message, new RegExp(coding))
    assert.equal(upstream.requests.length, 0)
  })
}

test('many coded bodies at once are all decoded, in a few decoders', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(json(200, { choices: [] }))
  const coded = brotliCompressSync(large)
  const request = rawRequest(chat, { 'content-encoding': 'br' }, coded)
  const statuses = await Promise.all(
    Array.from({ length: 40 }, async () => (await exchange(t, gateway.url, request)).status),
  )
  assert.deepEqual(new Set(statuses), new Set([200]))
  assert.ok(upstream.requests.every(({ body }) => body.toString() === large))
})

/** A body of so many bytes that no coding makes shorter by much. */
function incompressible(bytes: number): string {
  return JSON.stringify({ model: 'plain', user: randomBytes(bytes).toString('base64') })
}

/** As large as it says once it is decoded. */
function compressible(bytes: number): string {
  return JSON.stringify({ model: 'plain', user: 'x'.repeat(bytes) })
}

suite('a client that leaves before its coded body is decoded', () => {
  /** The memory of bodies is used up by a call at the provider and by four bodies in the decoders, which wait for more of it. */
  async function startWithBusyDecoders(t: TestContext) {
    const running = await startGateway(t, {
      server: { max_request_body_bytes: 1_000_000, body_memory_bytes: 2_000_000 },
    })
    const { gateway, upstream } = running
    upstream.respond([hang])
    const holding = await connectRaw(t, gateway.url)
    holding.send(rawRequest(chat, {}, compressible(999_000)))
    await upstream.nextRequest()
    upstream.respondAlways(json(200, { choices: [] }))
    const busy = await Promise.all(Array.from({ length: 4 }, () => connectRaw(t, gateway.url)))
    const coded = gzipSync(compressible(460_000))
    for (const client of busy) client.send(rawRequest(chat, { 'content-encoding': 'gzip' }, coded))
    const settle = async () => {
      for (let turn = 0; turn < 20; turn += 1) {
        assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/models'))).status, 200)
      }
    }
    await settle()
    return { ...running, holding, busy, settle }
  }

  for (const how of ['close', 'reset'] as const) {
    test(`leaves the queue of the decoders, with its memory (${how})`, async (t) => {
      const { gateway, upstream, holding, busy, settle } = await startWithBusyDecoders(t)
      const leaving = await connectRaw(t, gateway.url)
      const waiting = gzipSync(incompressible(28_000))
      leaving.send(rawRequest(chat, { 'content-encoding': 'gzip' }, waiting))
      await settle()
      const next = await connectRaw(t, gateway.url)
      const plain = incompressible(15_000)
      next.send(rawRequest(chat, {}, plain))
      await settle()
      assert.equal(next.received().length, 0, 'there is no room for another body')

      leaving.leave(how)
      assert.equal((await next.response()).status, 200)
      const line = await gateway.logged({ event: 'call', status: 499 })
      assert.deepEqual([line['dialect'], line['attempts']], ['chat', 0])

      // There is room for two of the four.
      for (const client of [holding, ...busy.slice(2)]) client.leave(how)
      for (const client of busy.slice(0, 2)) assert.equal((await client.response()).status, 200)
      assert.equal(upstream.requests.length, 4)
      assert.equal(upstream.requests[1]?.body.toString(), plain)
    })

    test(`leaves its decoder to the next (${how})`, async (t) => {
      const { gateway, upstream, holding, busy } = await startWithBusyDecoders(t)
      const next = await connectRaw(t, gateway.url)
      next.send(rawRequest(chat, { 'content-encoding': 'gzip' }, gzipSync(small)))

      // There is room for two of the four, and for the next.
      for (const client of [...busy.slice(2), holding]) client.leave(how)
      assert.equal((await next.response()).status, 200)
      await gateway.logged({ event: 'call', status: 499, attempts: 0 })
      for (const client of busy.slice(0, 2)) assert.equal((await client.response()).status, 200)
      assert.ok(upstream.requests.some(({ body }) => body.toString() === small))
    })
  }
})
