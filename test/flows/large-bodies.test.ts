// Bodies that are read, scanned and sent in several turns of the event loop, in memory that the next one takes over.
import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'

import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { type ReceivedRequest } from '../support/scripted-upstream.ts'
import { json, reset } from '../support/upstream-script.ts'
import { startGateway } from '../support/app.ts'
import { at, providerModel } from '../support/gateway-config.ts'

const path = 'POST /v1/chat/completions'
const answer = json(200, { choices: [{ message: { role: 'assistant', content: 'seen' } }] })

/** A call with an image of so many bytes of base64, different for each seed. */
function bodyWith(model: string, imageBytes: number, seed = 'QUJD'): string {
  const url = `data:image/png;base64,${seed.repeat(imageBytes / seed.length)}`
  const content = [
    { type: 'text', text: 'What is this? \\ "é"' },
    { type: 'image_url', image_url: { url } },
  ]
  return JSON.stringify({ model, messages: [{ role: 'user', content }] })
}

function headerOf(headers: ReceivedRequest['headers'], wanted: string): string | undefined {
  return headers.find(([name]) => name.toLowerCase() === wanted)?.[1]
}

/** The same request with a chunked body, in chunks of these sizes in turn. */
function chunked(body: string, sizes: readonly number[]): Buffer {
  const bytes = Buffer.from(body)
  const chunks: Buffer[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const piece = bytes.subarray(at, at + sizes[turn % sizes.length]!)
    chunks.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'))
    at += piece.length
  }
  const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
  return Buffer.concat([rawRequest(path, headers), ...chunks, Buffer.from('0\r\n\r\n')])
}

for (const imageBytes of [60_000, 70_000, 300_000, 3_000_000]) {
  test(`a body of ${imageBytes} bytes reaches the provider as it was, or under its own name`, async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(answer)
    const sent = ['plain', 'renamed', 'plain'].map((model, index) =>
      bodyWith(model, imageBytes, ['QUJD', 'REVG', 'R0hJ'][index]),
    )
    for (const body of sent)
      assert.equal((await exchange(t, gateway.url, rawRequest(path, {}, body))).status, 200)

    const expected = [sent[0], sent[1]!.replace('renamed', providerModel), sent[2]]
    for (const [index, { body, headers }] of upstream.requests.entries()) {
      assert.ok(body.equals(Buffer.from(expected[index]!)), `body ${index}`)
      assert.equal(headerOf(headers, 'content-length'), String(body.length))
      assert.equal(headerOf(headers, 'transfer-encoding'), undefined)
    }
  })
}

test('a large body that comes in chunks is the same body', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(answer)
  const body = bodyWith('plain', 500_000)
  const response = await exchange(t, gateway.url, chunked(body, [1, 100_000, 7, 3000]))
  assert.equal(response.status, 200)
  assert.ok(upstream.requests[0]!.body.equals(Buffer.from(body)))
})

test('large bodies of several clients at once stay apart', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(({ body }) =>
    json(200, { choices: [{ message: { content: body.toString('latin1', body.length - 60) } }] }),
  )
  const bodies = Array.from({ length: 12 }, (_, index) =>
    bodyWith('plain', 400_000 + index * 50_000, 'ABCDEFGHIJKL'[index]),
  )
  const responses = await Promise.all(
    bodies.map((body) => exchange(t, gateway.url, rawRequest(path, {}, body))),
  )
  for (const [index, response] of responses.entries()) {
    const { choices } = JSON.parse(response.body().toString()) as {
      choices: [{ message: { content: string } }]
    }
    assert.equal(choices[0].message.content, bodies[index]!.slice(-60))
  }
})

test('what is wrong at the end of a large body is told, with its place', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const body = `${bodyWith('plain', 300_000).slice(0, -1)},"model":"other"}`
  const response = await exchange(t, gateway.url, rawRequest(path, {}, body))
  assert.equal(response.status, 400)
  assert.match(
    response.body().toString(),
    new RegExp(`duplicate key \\\\"model\\\\" \\(at byte ${Buffer.byteLength(body) - 16}\\)`),
  )
  assert.equal(upstream.requests.length, 0)
})

test('another provider gets the same large body when the first one breaks off', async (t) => {
  const { gateway, upstreams } = await startGateway(t, {
    providers: { first: {}, second: {} },
    models: {
      either: {
        targets: [
          { provider: 'first', model: 'one' },
          { provider: 'second', model: 'two', tier: 2 },
        ],
      },
    },
  })
  const { first, second } = upstreams
  first.respondAlways([reset])
  second.respondAlways(answer)
  const body = bodyWith('either', 600_000)
  const response = await exchange(t, gateway.url, rawRequest(path, {}, body))
  assert.equal(response.status, 200)
  assert.equal(first.requests[0]!.body.toString(), body.replace('either', 'one'))
  assert.equal(second.requests[0]!.body.toString(), body.replace('either', 'two'))
})

/** A provider that reads a request's first bytes only; `onRequest` may answer. */
async function startUnwilling(
  t: TestContext,
  onRequest: (socket: Socket) => void,
): Promise<{ url: string; readOn: () => void; left: Promise<unknown> }> {
  let asked: Socket | undefined
  const left = Promise.withResolvers<unknown>()
  const server = createServer((socket) => {
    t.after(() => socket.destroy())
    socket.on('error', () => {})
    socket.on('close', left.resolve)
    socket.once('data', () => {
      asked = socket.pause()
      onRequest(socket)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    readOn: () => asked?.resume(),
    left: left.promise,
  }
}

test("a provider's refusal is passed on though it did not read the body", async (t) => {
  const refusal = '{"error":{"message":"too large for me","type":"invalid_request_error"}}'
  const { url } = await startUnwilling(t, (socket) =>
    socket.write(
      `HTTP/1.1 413 Too Large\r\ncontent-type: application/json\r\ncontent-length: ${refusal.length}\r\n\r\n${refusal}`,
    ),
  )
  const { gateway } = await startGateway(t, { providers: { unwilling: at({ url }) } })
  const response = await exchange(t, gateway.url, rawRequest(path, {}, bodyWith('plain', 20_000_000)))
  assert.equal(response.status, 413)
  assert.match(response.body().toString(), /too large for me/)
})

test('a client that leaves while its body is being sent ends that', async (t) => {
  const asked = Promise.withResolvers<void>()
  const { url, readOn, left } = await startUnwilling(t, () => asked.resolve())
  const { gateway } = await startGateway(t, { providers: { unwilling: at({ url }) } })
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest(path, {}, bodyWith('plain', 20_000_000)))
  await asked.promise
  client.leave()
  await gateway.logged({ event: 'call', status: 499 })
  // It sees the end behind the bytes that are on their way only.
  readOn()
  await left
})

test('a client that leaves within its large body is no call', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(answer)
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest(path, {}, bodyWith('plain', 300_000)).subarray(0, 200_000))
  client.leave('reset')
  const response = await exchange(t, gateway.url, rawRequest(path, {}, bodyWith('plain', 300_000)))
  assert.equal(response.status, 200)
  assert.equal(upstream.requests.length, 1)
})
