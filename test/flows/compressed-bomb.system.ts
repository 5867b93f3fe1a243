// What a provider compresses is decoded as fast as its client reads.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'

import { chat } from '../support/calls.ts'
import { delta } from '../support/chat-content.ts'
import { residentBytes, startGatewayProcess } from '../support/gateway-process.ts'
import { connectRaw, rawRequest } from '../support/raw-client.ts'
import { chunk, hang, json, streamHead } from '../support/upstream-script.ts'

test('a small compressed body that becomes a huge one costs no memory while its client does not read', async (t) => {
  const { gateway, upstream } = await startGatewayProcess(t)
  // More than a response would become, and less than what is refused.
  const event = () => `data: ${delta(randomBytes(300).toString('hex') + 'x'.repeat(60_000))}\n\n`
  const bomb = gzipSync(Array.from({ length: 5_000 }, event).join(''))
  upstream.respond([streamHead({ 'content-encoding': 'gzip' }), chunk(bomb), hang])
  const before = residentBytes(gateway.pid)
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","messages":[],"stream":true}'))
  await client.head()
  client.pause()

  // What comes of a pause that is ignored would be decoded during these calls.
  upstream.respondAlways(json(200, { choices: [] }))
  for (let call = 0; call < 300; call++) await chat(gateway, 'plain')

  assert.ok(residentBytes(gateway.pid) - before < 100_000_000, 'of 300 MB')
})
