// What a client may write to have its request, and with it the provider's key, sent somewhere else.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { exchange, rawRequest } from '../support/raw-client.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'
import { startGateway } from '../support/app.ts'

type Lure = (evil: string) => { headers?: Record<string, string>; body?: object; query?: string }

const lures: [string, Lure][] = [
  ['api_base', (evil) => ({ body: { api_base: evil } })],
  ['base_url', (evil) => ({ body: { base_url: evil, custom_llm_provider: 'openai' } })],
  ['extra_headers', (evil) => ({ body: { extra_headers: { host: new URL(evil).host }, api_key: 'x' } })],
  ['a proxy', (evil) => ({ body: { proxy: evil, http_proxy: evil } })],
  ['fallbacks', (evil) => ({ body: { fallbacks: [{ model: 'x', api_base: evil }] } })],
  [
    'an image',
    (evil) => ({
      body: { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: evil } }] }] },
    }),
  ],
  ['a callback', (evil) => ({ body: { webhook_url: evil, success_callback: [evil] } })],
  ['a tool server', (evil) => ({ body: { tools: [{ type: 'mcp', server_url: evil }] } })],
  ['X-Forwarded-Host', (evil) => ({ headers: { 'x-forwarded-host': new URL(evil).host } })],
  ['Forwarded', (evil) => ({ headers: { forwarded: `host=${new URL(evil).host}` } })],
  ['X-Original-URL', (evil) => ({ headers: { 'x-original-url': `${evil}/x`, 'x-rewrite-url': '/x' } })],
  [
    'headers of other gateways',
    (evil) => ({ headers: { 'x-portkey-custom-host': evil, 'helicone-target-url': evil } }),
  ],
  ['Proxy', (evil) => ({ headers: { proxy: evil, 'proxy-connection': 'x' } })],
  ['nominated headers', () => ({ headers: { connection: 'authorization, content-type, host' } })],
  [
    'a path of its own',
    () => ({ headers: { 'x-http-method-override': 'DELETE', 'x-forwarded-prefix': '/evil' } }),
  ],
  ['the query', (evil) => ({ query: `?api_base=${encodeURIComponent(evil)}&key=x` })],
  ['a query that is a URL', (evil) => ({ query: `?@${evil}` })],
]

suite('A client can not choose the destination by', () => {
  for (const [name, lure] of lures) {
    test(name, async (t) => {
      const evil = await startUpstream(t)
      const { gateway, upstream } = await startGateway(t)
      upstream.respond(json(200, {}))
      const { headers = {}, body = {}, query = '' } = lure(evil.url)
      const text = JSON.stringify({ model: 'plain', ...body })

      const request = rawRequest(`POST /v1/chat/completions${query}`, headers, text)
      assert.equal((await exchange(t, gateway.url, request)).status, 200)

      const received = await upstream.nextRequest()
      assert.equal(received.method, 'POST')
      assert.equal(received.target.split('?', 1)[0], '/v1/chat/completions')
      assert.doesNotMatch(received.target, /key=/)
      assert.equal(received.header('host'), new URL(upstream.url).host)
      assert.equal(received.header('authorization'), 'Bearer sk-provider-1f9a')
      assert.equal(received.body.toString(), text)
      const lured = received.headers.filter(([, value]) => value.includes(new URL(evil.url).host))
      assert.deepEqual(lured, [])
      assert.equal(upstream.requests.length, 1)
      assert.equal(evil.connections, 0)
    })
  }
})
