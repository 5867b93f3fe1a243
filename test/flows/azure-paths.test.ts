// Azure's paths, which name the model.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'

test('at Azure’s paths the body need not name a model', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(json(200, {}))
  const form = '--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\nx\r\n--b--\r\n'
  const named = '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nplain\r\n'
  for (const [path, type, sent, received] of [
    [
      'plain/chat/completions?api-version=1',
      'application/json',
      '{"messages":[]}',
      '{"model":"plain","messages":[]}',
    ],
    ['llama3.1%3A8b/completions', 'application/json', '{}', '{"model":"llama3.1:8b"}'],
    ['open%2Fx/embeddings', 'application/json', '{"model":null}', '{"model":"x"}'],
    ['plain/audio/transcriptions/?api-version=1', 'multipart/form-data; boundary=b', form, named + form],
  ] as const) {
    const request = rawRequest(`POST /openai/deployments/${path}`, { 'content-type': type }, sent)
    const response = await exchange(t, gateway.url, request)
    assert.equal(response.status, 200, path)
    const { target, body: bytes } = await upstream.nextRequest()
    assert.doesNotMatch(target, /\?|openai/)
    assert.equal(bytes.toString(), received)
  }
})
