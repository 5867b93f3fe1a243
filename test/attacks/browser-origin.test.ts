// What pages of other sites can make a browser send to loopback: every kind of request, with and without CORS.
import assert from 'node:assert/strict'

import { rawRequest } from '../support/raw-client.ts'
import { type Attack, attackSuite, chat, chatBody, get, grantsNothing } from './attack.ts'

const evil = 'https://evil.example'
const form = 'model=plain&prompt=x'
const multipart =
  '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nplain\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--b--\r\n'

/** Refused for their origin, wherever they go. */
const refused: [string, Uint8Array][] = [
  ['a fetch with CORS', chat({ origin: evil })],
  ['a fetch without CORS', chat({ origin: evil, 'content-type': 'text/plain' })],
  ['a form', chat({ origin: evil, 'content-type': 'application/x-www-form-urlencoded' }, form)],
  ['a form of a sandboxed frame', chat({ origin: 'null', 'content-type': 'text/plain' })],
  ['a fetch of a file: or data: page', chat({ origin: 'null' })],
  [
    'a multipart form',
    rawRequest(
      'POST /v1/audio/transcriptions',
      { origin: evil, 'content-type': 'multipart/form-data; boundary=b' },
      multipart,
    ),
  ],
  [
    'a beacon',
    chat({ origin: evil, 'content-type': 'text/plain;charset=UTF-8', 'sec-fetch-mode': 'no-cors' }),
  ],
  ['an image', get('/v1/models', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })],
  ['a script of another port', get('/v1/models', { 'sec-fetch-site': 'same-site' })],
  ['a form without an Origin', chat({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })],
  ['an unknown Sec-Fetch-Site', get('/v1/models', { 'sec-fetch-site': 'weird' })],
  ['a link', get('/v1/models', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })],
  ['a WebSocket', get('/v1/chat/completions', { origin: evil, connection: 'Upgrade', upgrade: 'websocket' })],
  ['a GET of the model list', get('/v1/models', { origin: evil })],
  ['an unknown path', get('/nothing', { origin: evil })],
  ['the health check', get('/healthz', { origin: evil })],
  ['the readiness check', get('/readyz', { origin: evil })],
  ['a HEAD', rawRequest('HEAD /v1/models', { origin: evil })],
  ['a DELETE', rawRequest('DELETE /v1/models', { origin: evil })],
  ['an OPTIONS of everything', rawRequest('OPTIONS *', { origin: evil })],
  ['a preflight', preflight(evil)],
  ['a preflight of null', preflight('null')],
  ['two Origin lines', get('/healthz', { origin: 'http://localhost', Origin: evil })],
  ['two allowed Origin lines', get('/healthz', { origin: 'http://localhost', Origin: 'http://localhost' })],
  ['an allowed one beside it', chat({ origin: `http://localhost, ${evil}` })],
  ['a body that is asked for first', chat({ origin: evil, expect: '100-continue' })],
]

/** Origins that look like the allowed ones. */
const lookalikes = [
  'https://localhost',
  'https://localhost:3000',
  'http://localhost.evil.example',
  'http://localhost:3000.evil.example',
  'http://localhost:3000@evil.example',
  'http://evil.example:localhost',
  'http://evil.example#localhost',
  'http://xlocalhost',
  'http://x.localhost',
  'http://LOCALHOST',
  'http://localhost:99999',
  'http://localhost:0',
  'http://localhost:',
  'http://localhost:3000/',
  'http://localhost:03000',
  'http://localhost:+3000',
  'http://127.0.0.1.evil.example',
  'http://127.1',
  'http://0.0.0.0:3000',
  'http://[::1',
  'http://[::ffff:127.0.0.1]:3000',
  'HTTP://localhost',
  '//localhost',
  'localhost',
  'http://',
  '*',
  'chrome-extension://abcdefghijklmnop',
  'file://',
]

function preflight(origin: string): Uint8Array {
  return rawRequest('OPTIONS /v1/chat/completions', {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-type',
    'access-control-request-private-network': 'true',
  })
}

const attacks: Attack[] = [
  ...refused.map(([name, sends]) => ({ name, sends })),
  ...lookalikes.map((origin) => ({ name: `the origin ${origin}`, sends: chat({ origin }) })),
].map((attack) => ({ ...attack, expected: 403, code: 'origin_not_allowed', check: grantsNothing }))

attackSuite('A page of another site:', attacks)

attackSuite('What no browser marks, and is no API call either:', [
  ...['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'application/jsonx', ''].map(
    (type) => ({
      name: `a POST of ${JSON.stringify(type)}`,
      sends: chat({ 'content-type': type }),
      expected: 415,
      code: 'unsupported_media_type',
    }),
  ),
  ...[
    { origin: 'http://localhost:3000' },
    { referer: 'http://localhost:3000/' },
    { 'sec-fetch-site': 'none' },
    { 'sec-fetch-mode': 'no-cors' },
    { 'sec-fetch-dest': 'empty' },
  ].map((headers) => ({
    name: `a POST without a type that a browser sends (${JSON.stringify(headers)})`,
    sends: chat({ ...headers, 'content-type': undefined }),
    expected: 415,
    code: 'unsupported_media_type',
  })),
  {
    name: 'a POST without a type whose body is a form',
    sends: chat({ 'content-type': undefined }, form),
    expected: 400,
    code: 'invalid_request',
  },
  {
    name: 'a form without a type',
    sends: rawRequest('POST /v1/audio/transcriptions', { 'content-type': undefined }, multipart),
    expected: 415,
    code: 'unsupported_media_type',
  },
  {
    name: 'a multipart form where JSON belongs',
    sends: chat({ 'content-type': 'multipart/form-data; boundary=b' }, multipart),
    expected: 415,
    code: 'unsupported_media_type',
  },
])

attackSuite('A page of this machine', [
  {
    name: 'gets its preflight answered, and no more than it needs',
    sends: preflight('http://localhost:3000'),
    expected: 204,
    check(response) {
      assert.equal(response.header('access-control-allow-origin'), 'http://localhost:3000')
      assert.match(response.header('vary') ?? '', /origin/i)
      assert.equal(response.header('access-control-allow-credentials'), undefined)
      assert.equal(response.header('access-control-allow-private-network'), 'true')
      assert.equal(response.header('access-control-allow-headers'), 'content-type')
    },
  },
  {
    name: 'may have any port',
    sends: get('/v1/models', { origin: 'http://127.0.0.1:65535', 'sec-fetch-site': 'cross-site' }),
    expected: 200,
  },
  {
    name: 'is refused on what it can not read either',
    sends: chat({ origin: 'http://localhost:3000', 'content-type': 'text/plain' }, chatBody),
    expected: 415,
    code: 'unsupported_media_type',
  },
])
