// Providers that compress their responses though they were asked not to.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import {
  brotliCompressSync,
  createGzip,
  deflateSync,
  gzipSync,
  constants,
  zstdCompressSync,
  type Gzip,
} from 'node:zlib'

import { startGateway } from '../support/app.ts'
import { chat, sendChat, used } from '../support/calls.ts'
import { delta, usageEvent } from '../support/chat-content.ts'
import { providerKey } from '../support/gateway-config.ts'
import {
  chunk,
  content,
  hang,
  json,
  lastChunk,
  type Script,
  stream,
  streamHead,
} from '../support/upstream-script.ts'

const codings = [
  ['gzip', gzipSync],
  ['x-gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
] as const

const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }
const events = [delta('Hello'), usageEvent(usage), '[DONE]'].map((data) => `data: ${data}\n\n`).join('')
const body = JSON.stringify({
  id: 'c',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
  usage,
})

async function start(t: TestContext, script: Script) {
  const running = await startGateway(t, {
    providers: { a: {}, b: {} },
    models: { small: { targets: [{ provider: 'a' }, { provider: 'b', tier: 2 }] } },
    rate_limit_settings: { limits: { small: { rpm: 100, tpm: 100_000 } } },
  })
  running.upstreams.a.respondAlways(script)
  running.upstreams.b.respondAlways(json(200, { choices: [], from: 'b' }))
  return running
}

/** Compresses piece by piece, as a server does that flushes after each event. */
function compressor(): (text: string) => Promise<Buffer> {
  const gzip: Gzip = createGzip()
  const pieces: Buffer[] = []
  gzip.on('data', (piece: Buffer) => pieces.push(piece))
  return async (text) => {
    gzip.write(text)
    await new Promise<void>((resolve) => gzip.flush(constants.Z_SYNC_FLUSH, resolve))
    return Buffer.concat(pieces.splice(0))
  }
}

suite('A provider that compresses unasked', () => {
  for (const [coding, compress] of codings) {
    test(`events in ${coding} are forwarded as events, and metered`, async (t) => {
      const script = stream(compress(events), {
        headers: { 'content-encoding': coding },
        splitAt: 'every byte',
      })
      const { gateway } = await start(t, script)

      const include = { stream_options: { include_usage: true } }
      const response = await chat(gateway, 'small', { stream: true, ...include })

      assert.equal(response.status, 200)
      assert.equal(response.headers.get('content-encoding'), null)
      assert.equal(response.body, events)
      const line = await gateway.logged({ event: 'call' })
      assert.deepEqual([line['prompt_tokens'], line['completion_tokens'], line['estimated']], [7, 5, false])
    })
  }

  test('an event goes out before the body has ended', async (t) => {
    const compressed = compressor()
    const first = await compressed(`data: ${delta('one')}\n\n`)
    const second = await compressed(`data: ${delta('two')}\n\n`)
    const { gateway } = await start(t, [
      streamHead({ 'content-encoding': 'gzip' }),
      chunk(first),
      chunk(second),
      hang,
    ])

    const client = await sendChat(t, gateway, { stream: true })

    await client.seen('two')
  })

  test('a key in an error event is masked', async (t) => {
    const error = JSON.stringify({ error: { message: `bad key ${providerKey}` } })
    const text = `data: ${delta('a')}\n\ndata: ${error}\n\n`
    const { gateway } = await start(t, stream(gzipSync(text), { headers: { 'content-encoding': 'gzip' } }))

    const response = await chat(gateway, 'small', { stream: true })

    assert.match(response.body, /bad key \[secret\]/)
    assert.ok(!response.body.includes(providerKey))
  })

  test('a whole body is decoded and charged as reported', async (t) => {
    const { gateway } = await start(
      t,
      content(200, 'application/json', gzipSync(body), { 'content-encoding': 'gzip' }),
    )

    const response = await chat(gateway, 'small')

    assert.equal(response.body, body)
    assert.equal(response.headers.get('content-length'), String(body.length))
    assert.equal((await used(gateway)).tokens, 12)
  })

  test('an error under a good status is an error', async (t) => {
    const error = JSON.stringify({ error: { message: 'too long', code: 400 } })
    const script = content(200, 'application/json', gzipSync(error), { 'content-encoding': 'gzip' })
    const { gateway } = await start(t, script)

    const response = await chat(gateway, 'small')

    assert.deepEqual([response.status, response.body], [400, error])
  })

  for (const coding of ['identity', 'none', 'UTF-8', '']) {
    test(`a body whose coding is ${JSON.stringify(coding)} has none`, async (t) => {
      const script = stream(events, { headers: { 'content-encoding': coding } })
      const { gateway } = await start(t, script)

      const response = await chat(gateway, 'small', { stream: true, stream_options: { include_usage: true } })

      assert.equal(response.headers.get('content-encoding'), null)
      assert.equal(response.body, events)
    })
  }

  for (const [name, script] of [
    ['in an unknown coding', stream(events, { headers: { 'content-encoding': 'rot13' } })],
    ['in two codings', stream(gzipSync(events), { headers: { 'content-encoding': 'gzip, br' } })],
    ['that is not in its coding', stream(events, { headers: { 'content-encoding': 'gzip' } })],
    [
      'that is cut before its first event',
      stream(gzipSync(events).subarray(0, 12), { headers: { 'content-encoding': 'gzip' } }),
    ],
  ] as const) {
    test(`a body ${name} is a failed attempt, after which another target answers`, async (t) => {
      const { gateway, upstreams } = await start(t, script)

      const response = await chat(gateway, 'small')

      assert.match(response.body, /"from":"b"/)
      assert.equal(upstreams.a.requests.length, 1)
    })
  }

  test('a stream that is cut after an event ends with an error event', async (t) => {
    const compressed = compressor()
    const first = await compressed(`data: ${delta('one')}\n\n`)
    const { gateway } = await start(t, [streamHead({ 'content-encoding': 'gzip' }), chunk(first), lastChunk])

    const response = await chat(gateway, 'small', { stream: true })

    assert.match(response.body, /one.*\n\n.*content coding.*provider_bad_response/s)
  })
})
