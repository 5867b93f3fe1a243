// Content of others must not act as a page of the gateway's origin, and no page may read it or change it.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startGateway } from '../../support/app.ts'
import { exchange, rawRequest } from '../../support/raw-client.ts'
import { content, json } from '../../support/upstream-script.ts'
import { restSetup } from './rest.ts'

const page = 'http://localhost:5173'

suite('every response', () => {
  for (const [what, status, line] of [
    ['a provider’s', 200, 'GET /v1/files/file-1'],
    ['a refusal', 403, 'GET /v1/organization/users'],
  ] as const) {
    test(`is data in a sandbox: ${what}`, async (t) => {
      const { gateway, upstream } = await startGateway(t, restSetup)
      upstream.respondAlways(json(200, {}, { 'cache-control': 'public' }))
      const response = await exchange(t, gateway.url, rawRequest(line))
      assert.equal(response.status, status)
      assert.equal(response.header('content-security-policy'), "sandbox; default-src 'none'")
      assert.equal(response.header('x-content-type-options'), 'nosniff')
      assert.equal(response.header('cross-origin-resource-policy'), 'same-origin')
      assert.equal(response.header('cache-control'), 'no-store')
    })
  }

  const documents: readonly (readonly [type: string, given: string | undefined, sent: string | undefined])[] =
    [
      ['text/html', undefined, 'attachment'],
      ['Text/HTML; charset=utf-8', 'inline; filename="a.html"', 'attachment'],
      ['text/html', 'attachment; filename="a.html"', 'attachment; filename="a.html"'],
      ['image/svg+xml', undefined, 'attachment'],
      ['text/xml', undefined, 'attachment'],
      ['application/xml', undefined, 'attachment'],
      ['application/xhtml+xml', undefined, 'attachment'],
      ['image/png', undefined, undefined],
      ['application/json', 'inline', 'inline'],
    ]
  for (const [type, given, sent] of documents) {
    test(`is no document: ${type}, ${given ?? 'without a disposition'}`, async (t) => {
      const { gateway, upstream } = await startGateway(t, restSetup)
      const headers = given === undefined ? {} : { 'content-disposition': given }
      upstream.respond(content(200, type, '<script>alert(1)</script>', headers))
      const response = await exchange(t, gateway.url, rawRequest('GET /v1/files/file-1/content'))
      assert.equal(response.status, 200)
      assert.equal(response.header('content-disposition'), sent)
      assert.equal(response.header('content-type'), type)
    })
  }
})

suite('a page', () => {
  test('reads nothing, though its origin may make calls', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respondAlways(json(200, { data: [] }))
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/files', { origin: page }))
    assert.equal(response.header('access-control-allow-origin'), undefined)
    assert.equal(response.header('access-control-expose-headers'), undefined)
    const refused = await exchange(t, gateway.url, rawRequest('GET /v1/unheard', { origin: page }))
    assert.equal(refused.header('access-control-allow-origin'), undefined)
    const call = rawRequest('POST /v1/chat/completions', { origin: page }, '{"model":"plain"}')
    assert.equal((await exchange(t, gateway.url, call)).header('access-control-allow-origin'), page)
  })

  test('gets no leave from a preflight', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    const asks = { origin: page, 'access-control-request-method': 'POST' }
    const response = await exchange(t, gateway.url, rawRequest('OPTIONS /v1/files', asks))
    assert.equal(response.status, 404)
    assert.equal(response.header('access-control-allow-origin'), undefined)
    assert.equal(response.header('access-control-allow-methods'), undefined)
    const ofCall = await exchange(t, gateway.url, rawRequest('OPTIONS /v1/chat/completions', asks))
    assert.equal(ofCall.header('access-control-allow-origin'), page)
    assert.equal(upstream.connections, 0)
  })

  const changes: readonly (readonly [what: string, headers: Record<string, string>, status: number])[] = [
    ['of another origin', { origin: page }, 403],
    ['of the same host and another port', { origin: 'http://localhost:4001' }, 403],
    ['of the gateway’s own origin', { origin: 'http://localhost:4000', host: 'localhost:4000' }, 200],
    ['that names no origin', { 'sec-fetch-site': 'same-origin' }, 403],
    ['that is a program', { 'sec-fetch-mode': 'cors' }, 200],
  ]
  for (const [what, headers, status] of changes) {
    test(`that changes objects: ${what}, ${status}`, async (t) => {
      const { gateway, upstream } = await startGateway(t, restSetup)
      upstream.respondAlways(json(200, {}))
      for (const [line, body] of [
        ['POST /v1/vector_stores', '{}'],
        ['DELETE /v1/files/file-1', undefined],
      ] as const) {
        const response = await exchange(t, gateway.url, rawRequest(line, headers, body))
        assert.equal(response.status, status, line)
        if (status === 403) assert.equal(response.header('x-llm-gateway-error'), 'origin_not_allowed')
      }
      assert.equal(upstream.requests.length, status === 200 ? 2 : 0)
    })
  }

  test('cannot be navigated to', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    const headers = { 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'none', 'sec-fetch-dest': 'document' }
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/files/file-1/content', headers))
    assert.equal(response.status, 403)
    assert.equal(upstream.connections, 0)
  })
})
