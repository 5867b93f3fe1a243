// Who is refused before anything else happens: foreign names, other protocols, other addresses.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'
import { requests } from './requests.ts'
import { startGateway } from '../support/app.ts'

const body = '{"model":"plain","messages":[]}'

const goodHosts = [
  'localhost',
  'localhost:4000',
  'LOCALHOST:9999',
  'localhost:1',
  '127.0.0.1',
  '127.0.0.1:65535',
  '[::1]',
  '[::1]:80',
]

const wrongHosts = [
  'evil.example',
  'evil.example:4000',
  'localhost.evil.example',
  'x.localhost',
  'localhost.',
  'localhost.localdomain',
  '0.0.0.0',
  '0.0.0.0:4000',
  '127.0.0.2',
  '127.1',
  '2130706433',
  '0x7f.1',
  '[::ffff:127.0.0.1]',
  '[0:0:0:0:0:0:0:1]',
  'mybox.local',
]

const malformedHosts = [
  '',
  'localhost:',
  'localhost:abc',
  'localhost:123456',
  'localhost/health?x=',
  'localhost@evil.example',
  'localhost, evil.example',
  'localhost localhost',
  'http://localhost',
  '::1',
  '[::1',
  'löcalhost',
]

test('loopback names are served under any port, as over a tunnel', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(json(200, {}))
  for (const host of goodHosts) {
    const response = await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', { host }, body))
    assert.equal(response.status, 200, host)
  }
})

for (const [hosts, status, code] of [
  [wrongHosts, 403, 'host_not_allowed'],
  [malformedHosts, 400, 'invalid_host'],
] as const) {
  test(`what is no name of this machine is answered ${code} on every path`, async (t) => {
    const { gateway, upstream } = await startGateway(t)
    for (const host of hosts) {
      for (const [line, sent] of requests) {
        const request = rawRequest(line, { host, origin: 'http://localhost:5173' }, sent)
        const response = await exchange(t, gateway.url, request)
        assert.equal(response.status, status, `${line} at ${host}`)
        assert.equal(response.header('x-llm-gateway-error'), code)
        assert.match(response.header('x-request-id') ?? '', /^req_/)
      }
    }
    assert.equal(upstream.connections, 0)
    await gateway.logged({ event: code, status })
  })
}

test('exactly one Host line is taken, in every version of HTTP', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const heads = [
    'GET /v1/models HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n',
    'GET /v1/models HTTP/1.1\r\nhost: localhost\r\nHost: localhost\r\n\r\n',
    'GET /v1/models HTTP/1.1\r\naccept: */*\r\n\r\n',
    'GET /v1/models HTTP/1.0\r\n\r\n',
  ]
  for (const head of heads) {
    const client = await connectRaw(t, gateway.url)
    client.send(head)
    const response = await client.response()
    assert.equal(response.status, 400, head)
    assert.equal(response.header('x-llm-gateway-error'), 'invalid_host')
  }
  assert.equal(upstream.connections, 0)
})

test('headers of proxies do not stand in for the Host', async (t) => {
  const { gateway } = await startGateway(t)
  const forged = { 'x-forwarded-host': 'localhost', forwarded: 'host=localhost', host: 'evil.example' }
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/models', forged))).status, 403)
})

test('names that are listed are served, with their port or any', async (t) => {
  const { gateway } = await startGateway(t, {
    server: { allowed_hosts: ['llm.example', 'box.example:8443'] },
  })
  const served = new Map([
    ['llm.example', 200],
    ['LLM.example:443', 200],
    ['box.example:8443', 200],
    ['box.example', 403],
    ['box.example:1', 403],
    ['x.llm.example', 403],
  ])
  for (const [host, status] of served) {
    assert.equal(
      (await exchange(t, gateway.url, rawRequest('GET /v1/models', { host }))).status,
      status,
      host,
    )
  }
})

test('a WebSocket is refused on every path, and never opened', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  for (const upgrade of ['websocket', 'WebSocket', 'h2c, websocket']) {
    for (const line of [
      'GET /v1/chat/completions',
      'GET /v1/models',
      'GET /healthz',
      'GET /nowhere',
    ] as const) {
      const headers = { upgrade, connection: 'upgrade', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
      const response = await exchange(t, gateway.url, rawRequest(line, headers))
      assert.equal(response.status, 426, `${line} to ${upgrade}`)
      assert.equal(response.header('x-llm-gateway-error'), 'websocket_not_supported')
    }
  }
  assert.equal(upstream.connections, 0)
})

test('addresses that are not listed are refused on every path', async (t) => {
  const { gateway, upstream } = await startGateway(t, { access: { allowed_ips: ['127.0.0.9/32'] } })
  for (const [line, sent] of requests) {
    const response = await exchange(t, gateway.url, rawRequest(line, {}, sent))
    assert.equal(response.status, 403, line)
    assert.equal(response.header('x-llm-gateway-error'), 'ip_not_allowed')
  }
  assert.equal(upstream.connections, 0)
})

test('the address that a trusted proxy reports is the one that has to be listed', async (t) => {
  const access = { access: { allowed_ips: ['203.0.113.0/24'] } }
  const trusting = await startGateway(t, { ...access, server: { trusted_proxies: [{ user: 'self' }] } })
  const strict = await startGateway(t, access)
  const cases = [
    [trusting, '203.0.113.7', 200],
    [trusting, '198.51.100.1, 203.0.113.7', 200],
    [trusting, '203.0.113.7, 198.51.100.1', 403],
    [trusting, 'unknown', 403],
    [strict, '203.0.113.7', 403],
  ] as const
  for (const [{ gateway }, forwarded, status] of cases) {
    const request = rawRequest('GET /v1/models', { 'x-forwarded-for': forwarded })
    assert.equal((await exchange(t, gateway.url, request)).status, status, forwarded)
  }
})
