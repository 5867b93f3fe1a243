import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'

import { connectRaw, exchange, rawRequest } from './raw-client.ts'
import { refusingUrl, startUpstream } from './scripted-upstream.ts'
import * as upstream from './upstream-script.ts'

test('a request is kept as it came', async (t) => {
  const provider = await startUpstream(t)
  provider.respond(upstream.json(200, { ok: true }))
  await exchange(t, provider.url, rawRequest('POST /v1/x?y', { 'X-Case': 'Kept' }, '{"a":1.0}'))
  const request = await provider.nextRequest()
  assert.deepEqual(
    [request.method, request.target, request.body.toString()],
    ['POST', '/v1/x?y', '{"a":1.0}'],
  )
  assert.deepEqual(
    request.headers.find(([name]) => name === 'X-Case'),
    ['X-Case', 'Kept'],
  )
  assert.equal((await request.outcome).kind, 'answered')
})

test('answers queue up, then the lasting one serves, and without one the request fails visibly', async (t) => {
  const provider = await startUpstream(t)
  const status = async () => (await exchange(t, provider.url, rawRequest('GET /'))).status
  assert.equal(await status(), 500)
  provider.respondAlways(upstream.json(203, {}))
  provider.respond(upstream.json(201, {}))
  provider.respond((request) => upstream.json(request.method === 'GET' ? 202 : 400, {}))
  assert.deepEqual([await status(), await status(), await status(), await status()], [201, 202, 203, 203])
})

test('a script goes on only when its gate opens', async (t) => {
  const provider = await startUpstream(t)
  const gate = Promise.withResolvers<void>()
  provider.respond([
    upstream.streamHead(),
    upstream.chunk('one'),
    upstream.wait(gate.promise),
    upstream.chunk('two'),
    upstream.lastChunk,
  ])
  const client = await connectRaw(t, provider.url)
  client.send(rawRequest('POST /', {}, '{}'))
  await client.seen('one')
  assert.equal((await client.head()).body().toString(), 'one')
  gate.resolve()
  assert.deepEqual((await client.response()).chunks.map(String), ['one', 'two'])
})

test('each piece of a split write is read by itself', async (t) => {
  const provider = await startUpstream(t)
  const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc'
  provider.respond([upstream.bytes(answer, 'every byte')])
  const socket = connect(Number(new URL(provider.url).port), '127.0.0.1')
  t.after(() => socket.destroy())
  const reads: string[] = []
  socket.write(rawRequest('GET /'))
  for await (const data of socket) {
    reads.push(String(data))
    if (reads.join('').length === answer.length) break
  }
  assert.deepEqual(reads, answer.split(''))
})

test('a client that leaves aborts its request, in the middle of every kind of step', async (t) => {
  const never = new Promise(() => {})
  async function* endless() {
    yield upstream.streamHead()
    for (;;) yield upstream.chunk('x'.repeat(65_536))
  }
  const scripts = [[upstream.hang], [upstream.streamHead(), upstream.wait(never)], endless()]
  for (const how of ['close', 'reset'] as const) {
    for (const script of how === 'close' ? scripts : [[upstream.hang]]) {
      const provider = await startUpstream(t)
      provider.respond(script)
      const client = await connectRaw(t, provider.url)
      client.send(rawRequest('POST /', {}, '{}'))
      const request = await provider.nextRequest()
      client.leave(how)
      assert.equal((await request.outcome).kind, 'aborted')
    }
  }
})

test('a client that closes behind a whole answer has not aborted it', async (t) => {
  const provider = await startUpstream(t)
  provider.respondAlways([upstream.bytes('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx')])
  for (let round = 0; round < 20; round++) {
    await exchange(t, provider.url, rawRequest('GET /'))
    assert.equal((await (await provider.nextRequest()).outcome).kind, 'answered')
  }
})

test('a client that does not read stops the script', async (t) => {
  const provider = await startUpstream(t)
  const total = 64 * 1024 * 1024
  provider.respond(
    upstream.stream(Buffer.alloc(total), { splitAt: Array.from({ length: 64 }, (_, i) => i * 1024 * 1024) }),
  )
  const client = await connectRaw(t, provider.url)
  client.pause()
  client.send(rawRequest('GET /'))
  const request = await provider.nextRequest()
  let before: number
  do {
    before = request.bytesTaken()
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
  } while (request.bytesTaken() > before || before === 0)
  assert.ok(before < total / 2, `${before} bytes were taken`)
  client.resume()
  assert.equal((await client.response()).body().length, total)
  assert.ok(request.bytesTaken() > total)
})

test('an answer can break off', async (t) => {
  const provider = await startUpstream(t)
  provider.respond([upstream.head(200, { 'content-length': '9' }), upstream.bytes('abc'), upstream.end])
  const cut = await exchange(t, provider.url, rawRequest('GET /'))
  assert.deepEqual([cut.complete, cut.body().toString()], [false, 'abc'])

  provider.respond([upstream.reset])
  const client = await connectRaw(t, provider.url)
  client.send(rawRequest('GET /'))
  assert.equal(await client.ended, 'reset')
})

test('requests on one connection are answered in order and share its number', async (t) => {
  const provider = await startUpstream(t)
  provider.respond(upstream.json(200, { n: 1 }))
  provider.respond(upstream.json(200, { n: 2 }))
  const client = await connectRaw(t, provider.url)
  client.send(Buffer.concat([rawRequest('GET /1'), rawRequest('GET /2')]))
  const bodies = [await client.response(), await client.response()].map((response) =>
    response.body().toString(),
  )
  assert.deepEqual(bodies, ['{"n":1}', '{"n":2}'])
  assert.deepEqual(
    provider.requests.map((request) => request.connection),
    [1, 1],
  )
})

test('an event stream has one chunk for each event, or is cut where the test says', async (t) => {
  const provider = await startUpstream(t)
  provider.respond(upstream.sse(['1', '[DONE]']))
  provider.respond(upstream.sse(['1', '[DONE]'], { splitAt: [3] }))
  const whole = await exchange(t, provider.url, rawRequest('GET /'))
  const cut = await exchange(t, provider.url, rawRequest('GET /'))
  assert.deepEqual(whole.chunks.map(String), ['data: 1\n\n', 'data: [DONE]\n\n'])
  assert.deepEqual(cut.chunks.map(String), ['dat', 'a: 1\n\ndata: [DONE]\n\n'])
})

test('a refusing URL refuses', async (t) => {
  const socket = connect(Number(new URL(await refusingUrl(t)).port), '127.0.0.1')
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'ECONNREFUSED')
})
