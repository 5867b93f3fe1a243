// Another user of the machine who is listed for the metrics or the status page sees that, and nothing else.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { delta, whole } from '../support/chat-content.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { unless } from '../support/needs.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { chunk, hang, streamHead } from '../support/upstream-script.ts'
import { callAs, strangerUid } from './other-users.ts'

const skip = unless(process.getuid?.() === 0, 'needs root, to become other users')
const listed = { allowed_users: [String(strangerUid)] }
const body = '{"model":"plain","messages":[]}'

const everythingElse = [
  rawRequest('GET /v1/models', { connection: 'close' }),
  rawRequest('GET /v1/limits', { connection: 'close' }),
  rawRequest('GET /v1/usage', { connection: 'close' }),
  rawRequest('GET /healthz', { connection: 'close' }),
  rawRequest('POST /metrics', { connection: 'close' }, '{}'),
  rawRequest('POST /status/cancel', { connection: 'close' }, '{}'),
  rawRequest('GET /metricsx', { connection: 'close' }),
  rawRequest('POST /v1/chat/completions', { connection: 'close' }, body),
]

suite('a user who may only look', { skip }, () => {
  for (const [section, path, other] of [
    ['metrics', '/metrics', '/status'],
    ['status', '/status', '/metrics'],
  ] as const) {
    test(`sees ${path} and nothing else`, async (t) => {
      const { gateway, upstream } = await startGatewayProcess(t, { [section]: listed })
      const before = upstream.requests.length
      const ask = (request: Uint8Array) => callAs(strangerUid, gateway.url, request)

      assert.match(await ask(rawRequest(`GET ${path}`, { connection: 'close' })), /^HTTP\/1\.1 200 /)
      for (const request of [...everythingElse, rawRequest(`GET ${other}`, { connection: 'close' })]) {
        const answer = await ask(request)
        assert.match(answer, /^HTTP\/1\.1 403 [^]*"user_not_allowed"/, request.toString())
      }
      const posts = upstream.requests.slice(before).filter(({ method }) => method === 'POST')
      assert.deepEqual(posts, [])
    })

    test(`sees nothing else on a connection that has shown ${path}`, async (t) => {
      const { gateway } = await startGatewayProcess(t, { [section]: listed })
      const twice = Buffer.concat([
        rawRequest(`GET ${path}`),
        rawRequest('POST /v1/chat/completions', { connection: 'close' }, body),
      ])
      const answers = await callAs(strangerUid, gateway.url, twice)
      assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 403'])
    })
  }

  test('is refused where nobody has listed it, also when every user may call', async (t) => {
    const { gateway } = await startGatewayProcess(t, { access: { allowed_users: ['any'] } })
    for (const path of ['/metrics', '/status']) {
      const answer = await callAs(
        strangerUid,
        gateway.url,
        rawRequest(`GET ${path}`, { connection: 'close' }),
      )
      assert.match(answer, /^HTTP\/1\.1 403 [^]*"user_not_allowed"/)
    }
  })
})

suite('a user who may look and call', { skip }, () => {
  const users = { allowed_users: ['self', String(strangerUid)] }
  const both = { access: users, status: users }
  const head = { connection: 'close' }
  const chat = (id: string) => rawRequest('POST /v1/chat/completions', { ...head, 'x-request-id': id }, body)

  test('sees calls of its own only, and no names of others', async (t) => {
    const { gateway, upstream } = await startGatewayProcess(t, both)
    upstream.respondAlways(whole())
    const owner = await exchange(t, gateway.url, chat('of-the-owner'))
    assert.equal(owner.status, 200)
    assert.match(await callAs(strangerUid, gateway.url, chat('of-the-stranger')), /^HTTP\/1\.1 200 /)
    const data = await callAs(strangerUid, gateway.url, rawRequest('GET /status/data', head))
    assert.match(data, /"sees_all":false,"may_cancel":false,"playground":false/)
    assert.match(data, /of-the-stranger/)
    assert.doesNotMatch(data, /of-the-owner|user:root|SCRIPTED_KEY/)
    const all = (await exchange(t, gateway.url, rawRequest('GET /status/data', head))).body().toString()
    assert.match(all, /of-the-stranger/)
    assert.match(all, /of-the-owner/)
  })

  test('may not cancel calls', async (t) => {
    const { gateway, upstream } = await startGatewayProcess(t, both)
    upstream.respondAlways([streamHead(), chunk(`data: ${delta('opening')}\n\n`), hang])
    const client = await connectRaw(t, gateway.url)
    const streamed = '{"model":"plain","stream":true,"messages":[]}'
    client.send(rawRequest('POST /v1/chat/completions', { 'x-request-id': 'mine' }, streamed))
    await client.seen('opening')
    const { host } = new URL(gateway.url)
    const page = { host, origin: `http://${host}`, 'x-llm-gateway-page': '1', ...head }
    const cancel = rawRequest('POST /status/cancel', page, '{"id":"mine"}')
    assert.match(await callAs(strangerUid, gateway.url, cancel), /^HTTP\/1\.1 403 /)
    assert.equal((await exchange(t, gateway.url, cancel)).status, 200)
    await client.seen('call_cancelled')
  })
})
