// What each kind of provider sends reaches the client unchanged but for the event that the gateway asked for itself,
// however the network cuts it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { WireFixture } from '../fixtures/wire/fixture.ts'
import { wireFixtures } from '../fixtures/wire/wire-fixtures.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import type { RawResponse } from '../support/raw-client.ts'
import type { ScriptedUpstream } from '../support/scripted-upstream.ts'
import { content, stream } from '../support/upstream-script.ts'
import type { Splits } from '../support/upstream-script.ts'
import { type Running, startGateway } from '../support/app.ts'

const paths: Readonly<Record<WireFixture['dialect'], string>> = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
  embeddings: '/v1/embeddings',
  images: '/v1/images/generations',
  responses: '/v1/responses',
  speech: '/v1/audio/speech',
  transcriptions: '/v1/audio/transcriptions',
}

const isStream = ({ contentType }: WireFixture) => contentType.startsWith('text/event-stream')
const streams = wireFixtures.filter(isStream)
const wholes = wireFixtures.filter((fixture) => !isStream(fixture))

/** A request whose answer the fixture is, and the answer that the client got. */
async function answerTo(
  t: Parameters<typeof exchange>[0],
  { gateway }: Running,
  fixture: WireFixture,
): Promise<RawResponse> {
  const headers: Record<string, string> = { host: 'localhost' }
  let body = JSON.stringify({ model: 'plain', stream: isStream(fixture) })
  headers['content-type'] = 'application/json'
  if (fixture.dialect === 'transcriptions') {
    headers['content-type'] = 'multipart/form-data; boundary=cut'
    body = '--cut\r\ncontent-disposition: form-data; name="model"\r\n\r\nplain\r\n--cut--\r\n'
  }
  return exchange(t, gateway.url, rawRequest(`POST ${paths[fixture.dialect]}`, headers, body))
}

function script(upstream: ScriptedUpstream, fixture: WireFixture, splitAt: Splits): void {
  if (isStream(fixture)) upstream.respond(stream(fixture.bytes, { splitAt }))
  else upstream.respond(content(fixture.status, fixture.contentType, fixture.bytes))
}

/** A silent end becomes an error event; nothing else is added to what the provider sent. */
function assertStream(body: Buffer, fixture: WireFixture): void {
  const expected = fixture.withoutUsageEvent ?? fixture.bytes
  if (fixture.ends !== 'eof') {
    assert.equal(body.toString(), expected.toString())
    return
  }
  assert.equal(body.subarray(0, expected.length).toString(), expected.toString())
  const added = body.subarray(expected.length).toString()
  assert.match(added, /"code":"provider_bad_response"/)
  assert.ok(added.endsWith('\n\n'), 'the error event is whole')
}

describe('streams', () => {
  for (const fixture of streams) {
    test(`${fixture.name}: cut at every byte at once`, async (t) => {
      const wired = await startGateway(t)
      script(wired.upstream, fixture, 'every byte')
      const response = await answerTo(t, wired, fixture)
      if (fixture.text === '' && fixture.ends === 'error') {
        // Nothing has gone out when the first event is an error, so it can still be a status.
        assert.ok(response.status >= 400)
        assert.ok(fixture.bytes.includes(response.body()))
        return
      }
      assert.equal(response.status, 200)
      assertStream(response.body(), fixture)
    })
  }
})

describe('whole answers', () => {
  for (const fixture of wholes) {
    test(fixture.name, async (t) => {
      const wired = await startGateway(t)
      script(wired.upstream, fixture, [])
      const response = await answerTo(t, wired, fixture)
      assert.equal(response.status, fixture.status)
      assert.deepEqual(response.body(), fixture.bytes)
    })
  }
})
