// `routes.default_model`: calls whose body names no model.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { startGateway } from '../../support/app.ts'
import { providerModel } from '../../support/gateway-config.ts'
import { exchange, rawRequest } from '../../support/raw-client.ts'
import { json } from '../../support/upstream-script.ts'

const routes = { default_model: { images: 'renamed', moderations: 'plain', responses: 'short' } }

const calls = [
  ['POST /v1/images/generations', '{"prompt":"a cat"}', { data: [] }, providerModel],
  ['POST /v1/moderations', '{"input":"x"}', { results: [] }, 'plain'],
  ['POST /v1/responses', '{"input":"x"}', { output: [] }, providerModel],
  ['POST /v1/responses', '{}', { output: [] }, providerModel],
] as const

for (const [line, body, response, model] of calls) {
  test(`${line} with ${body} goes to the default model`, async (t) => {
    const { gateway, upstream } = await startGateway(t, { routes })
    upstream.respond(json(200, response))
    assert.equal((await exchange(t, gateway.url, rawRequest(line, {}, body))).status, 200)
    const request = await upstream.nextRequest()
    assert.deepEqual(JSON.parse(request.body.toString()), { model, ...JSON.parse(body) })
  })
}

test('a form without a model goes there, too', async (t) => {
  const { gateway, upstream } = await startGateway(t, { routes })
  upstream.respond(json(200, { data: [] }))
  const form = '--b\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n\r\nx\r\n--b--\r\n'
  const headers = { 'content-type': 'multipart/form-data; boundary=b' }
  const response = await exchange(t, gateway.url, rawRequest('POST /v1/images/variations', headers, form))
  assert.equal(response.status, 200)
  const { body } = await upstream.nextRequest()
  assert.match(body.toString(), new RegExp(`name="model"\r\n\r\n${providerModel}\r\n`))
  assert.ok(body.toString().endsWith(form.slice(form.indexOf('\r\ncontent-disposition'))))
})

test('a model that the body names counts', async (t) => {
  const { gateway, upstream } = await startGateway(t, { routes })
  upstream.respond(json(200, { output: [] }))
  const body = '{"model":"plain","input":"x"}'
  await exchange(t, gateway.url, rawRequest('POST /v1/responses', {}, body))
  assert.equal((await upstream.nextRequest()).body.toString(), body)
})

test('other formats have no default model, and without one a call is refused', async (t) => {
  const { gateway } = await startGateway(t, { routes })
  const chat = rawRequest('POST /v1/chat/completions', {}, '{"messages":[]}')
  assert.equal((await exchange(t, gateway.url, chat)).status, 400)
  const { gateway: plain } = await startGateway(t)
  const image = rawRequest('POST /v1/images/generations', {}, '{"prompt":"x"}')
  const response = await exchange(t, plain.url, image)
  assert.equal(response.status, 400)
  assert.match(response.body().toString(), /has no \\"model\\"/)
})
