// Bytes that come one by one. An object for each would cost hundreds of times what it holds; so what the gateway holds of
// them is measured from outside, as the system counts it.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'

import {
  type GatewayProcess,
  residentBytes,
  type RunningProcess,
  startGatewayProcess,
} from '../support/gateway-process.ts'
import { connectRaw, exchange, rawRequest, type RawResponse } from '../support/raw-client.ts'
import { type Cleanup } from '../support/scripted-upstream.ts'
import { bytes, hang, head, json, lastChunk, type Script } from '../support/upstream-script.ts'
import type { RawProvider } from '../../src/config/raw.ts'

/** What a connection may cost besides what is held for it, and by what the heap may grow at any time. */
const [connectionBytes, heapBytes] = [65_536, 33_554_432]

/** As chunks of one byte each. */
function tinyChunks(content: Buffer): Buffer {
  const wire = Buffer.alloc(6 * content.length, '1\r\n \r\n')
  for (let at = 0; at < content.length; at += 1) wire[6 * at + 3] = content[at]!
  return wire
}

function tinyAnswer(status: number, contentType: string, body: Buffer): Script {
  const headers = { 'content-type': contentType, 'transfer-encoding': 'chunked' }
  return [head(status, headers), bytes(tinyChunks(body)), lastChunk]
}

function tinyRequest(path: string, contentType: string, body: Buffer): Buffer {
  const headers = { 'content-type': contentType, 'transfer-encoding': 'chunked' }
  return Buffer.concat([rawRequest(`POST ${path}`, headers), tinyChunks(body), Buffer.from('0\r\n\r\n')])
}

function promptOf(length: number): Buffer {
  const [start, end] = ['{"model":"plain","messages":[{"role":"user","content":"', '"}]}']
  return Buffer.from(`${start}${'x'.repeat(length - start.length - end.length)}${end}`)
}

function formOf(length: number): Buffer {
  const part = (name: string, content: string) =>
    `--b\r\nContent-Disposition: form-data; ${name}\r\n\r\n${content}\r\n`
  const sound = part('name="file"; filename="a.wav"', 'x'.repeat(length))
  return Buffer.from(`${part('name="model"', 'plain')}${sound}--b--\r\n`)
}

const answer = { id: 'a', choices: [] }
const smallCall = rawRequest('POST /v1/chat/completions', {}, promptOf(1_000))

/** @param provider further settings of the provider. */
async function start(t: Cleanup, provider: RawProvider = {}): Promise<RunningProcess> {
  const running = await startGatewayProcess(t, { providers: { scripted: provider } })
  const { gateway, upstream } = running
  upstream.respondAlways(({ method }) => json(method === 'GET' ? 503 : 200, answer))
  // What every process takes once: compiled code, room for short-lived objects.
  const early = tinyRequest('/v1/chat/completions', 'application/json', promptOf(20_000))
  for (let count = 0; count < 20; count += 1) await exchange(t, gateway.url, smallCall)
  for (let count = 0; count < 4; count += 1) await exchange(t, gateway.url, early)
  return running
}

/** Does the work and fails when it took more than the process may have for so many bytes on so many connections. */
async function within<T>(
  { pid }: GatewayProcess,
  { heldBytes, connections }: { heldBytes: number; connections: number },
  work: () => Promise<T>,
): Promise<T> {
  const before = residentBytes(pid)
  // The peak is from now on: https://docs.kernel.org/filesystems/proc.html
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const result = await work()
  const peakKib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  const grownBytes = Number(peakKib) * 1_024 - before
  const maxBytes = 2 * heldBytes + connections * connectionBytes + heapBytes
  assert.ok(grownBytes <= maxBytes, `grew by ${grownBytes} bytes for ${heldBytes}, of ${maxBytes}`)
  return result
}

const times = <T>(count: number, work: () => Promise<T>) => Promise.all(Array.from({ length: count }, work))

interface TinyBody {
  readonly name: string
  readonly path: string
  readonly contentType: string
  readonly body: Buffer
  readonly count: number
}

const chat = { path: '/v1/chat/completions', contentType: 'application/json' }
const transcription = {
  path: '/v1/audio/transcriptions',
  contentType: 'multipart/form-data; boundary=b',
}
const tinyBodies: readonly TinyBody[] = [
  { name: 'a small prompt', ...chat, body: promptOf(60_000), count: 8 },
  { name: 'a large prompt', ...chat, body: promptOf(250_000), count: 2 },
  { name: 'a form', ...transcription, body: formOf(250_000), count: 2 },
]

suite('A client that sends, in chunks of one byte,', () => {
  for (const { name, path, contentType, body, count } of tinyBodies) {
    test(`${name} costs memory for its bytes, not for its chunks`, async (t) => {
      const { gateway, upstream } = await start(t)
      const seen = upstream.requests.length
      const request = tinyRequest(path, contentType, body)
      const bounds = { heldBytes: count * body.length, connections: count }
      const responses = await within(gateway, bounds, () =>
        times(count, () => exchange(t, gateway.url, request)),
      )
      for (const response of responses) {
        assert.equal(response.status, 200)
        assert.deepEqual(JSON.parse(response.body().toString()), answer)
      }
      const received = upstream.requests.slice(seen)
      assert.equal(received.length, count)
      for (const each of received) assert.ok(each.body.equals(body), 'the same bytes go upstream')
    })
  }
})

suite('Requests that wait for an earlier one on their connection,', () => {
  test('in chunks of one byte, cost memory for their bytes, not for their chunks', async (t) => {
    const { gateway, upstream } = await start(t)
    upstream.respond([hang])
    const [count, body] = [8, promptOf(60_000)]
    const client = await connectRaw(t, gateway.url)
    await within(gateway, { heldBytes: count * body.length, connections: 1 }, async () => {
      client.send(smallCall)
      const request = tinyRequest('/v1/chat/completions', 'application/json', body)
      for (let index = 0; index < count; index += 1) client.send(request)
      // One more than may wait: its end shows that all of them have arrived.
      for (let index = count; index < 33; index += 1) client.send(rawRequest('GET /healthz'))
      await client.ended
    })
  })
})

const text = 'x'.repeat(200_000)
const delta = (content: string) =>
  `data: ${JSON.stringify({ choices: [{ delta: { content }, finish_reason: null }] })}\n\n`

interface TinyAnswer {
  readonly name: string
  readonly status: number
  readonly contentType: string
  readonly body: string
}

const tinyAnswers: readonly TinyAnswer[] = [
  {
    name: 'an error',
    status: 500,
    contentType: 'application/json',
    body: JSON.stringify({ error: { message: text } }),
  },
  {
    name: 'an answer',
    status: 200,
    contentType: 'application/json',
    body: JSON.stringify({ ...answer, text }),
  },
  {
    name: 'a long first event after a long comment',
    status: 200,
    contentType: 'text/event-stream',
    body: `: ${text}\n\n${delta(text)}data: [DONE]\n\n`,
  },
  {
    name: 'an event of many lines',
    status: 200,
    contentType: 'text/event-stream',
    body: `${delta('a')}${'data:\n'.repeat(150_000)}\ndata: [DONE]\n\n`,
  },
]

suite('A provider that sends, in chunks of one byte,', () => {
  const count = 8

  for (const { name, status, contentType, body } of tinyAnswers) {
    test(`${name} costs memory for its bytes, not for its chunks`, async (t) => {
      const { gateway, upstream } = await start(t)
      const script = tinyAnswer(status, contentType, Buffer.from(body))
      upstream.respondAlways(() => script)
      const isStream = contentType === 'text/event-stream'
      const request = isStream
        ? rawRequest('POST /v1/chat/completions', {}, JSON.stringify({ model: 'plain', stream: true }))
        : smallCall
      const responses: RawResponse[] = await within(
        gateway,
        { heldBytes: count * body.length, connections: 2 * count },
        () => times(count, () => exchange(t, gateway.url, request)),
      )
      for (const response of responses) {
        assert.equal(response.status, status)
        assert.ok(response.body().toString() === body, 'the same bytes reach the client')
      }
    })
  }

  test('a list of models costs memory for its bytes, not for its chunks', async (t) => {
    const { gateway, upstream } = await start(t, { discover_models: true })
    const list = JSON.stringify({ object: 'list', data: [{ id: 'small', padding: text.repeat(2) }] })
    upstream.respondAlways(() => tinyAnswer(200, 'application/json', Buffer.from(list)))
    const from = gateway.stdout().length
    await within(gateway, { heldBytes: list.length, connections: 1 }, () => {
      process.kill(gateway.pid, 'SIGHUP')
      return gateway.says(/"models_discovered","provider":"scripted","count":1/, from)
    })
  })
})
