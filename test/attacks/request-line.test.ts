// Methods, targets, versions and headers that are no plain request of this API.
import assert from 'node:assert/strict'

import { rawRequest } from '../support/raw-client.ts'
import { type Attack, attackSuite, chat, chatBody, get } from './attack.ts'

/** A request line as it is. */
const line = (text: string, headers = '') =>
  Buffer.from(`${text}\r\nHost: localhost\r\n${headers}\r\n`, 'latin1')

const targets = [
  'http://evil.example/v1/models',
  'http://localhost/v1/models',
  'https://localhost/v1/models',
  '//evil.example/v1/models',
  '/v1//models',
  '//v1/models',
  '/\\evil.example/v1/models',
  '/v1\\models',
  '/v1/models#x',
  '/v1/models?x#y',
  '/v1/mod\xe9ls',
  '/v1/models?x=\xff',
]

const garbage: [string, string | Buffer][] = [
  ['a target with a control character', line('GET /v1/\x01models HTTP/1.1')],
  ['a target with DEL', line('GET /v1/models\x7f HTTP/1.1')],
  ['a target with a tab', line('GET /v1/\tmodels HTTP/1.1')],
  ['a target without a slash', line('GET v1/models HTTP/1.1')],
  ['a whole URL of another scheme', line('GET file:///etc/passwd HTTP/1.1')],
  ['no target', line('GET  HTTP/1.1')],
  ['the asterisk on a GET', line('GET * HTTP/1.1')],
  ['HTTP/0.9', 'GET /v1/models\r\n\r\n'],
  ['HTTP/2.0', line('GET /v1/models HTTP/2.0')],
  ['HTTP/1.2', line('GET /v1/models HTTP/1.2')],
  ['HTTP/9.9', line('GET /v1/models HTTP/9.9')],
  ['a lower-case protocol', line('GET /v1/models http/1.1')],
  ['a preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a TLS client', Buffer.from('160301020001000001fc0303', 'hex')],
  ['a Redis client', '*1\r\n$4\r\nPING\r\n'],
  ['an SSH client', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['an unknown method', line('STEAL /v1/models HTTP/1.1')],
  ['a lower-case method', line('get /v1/models HTTP/1.1')],
  ['a header name with a space', line('GET /v1/models HTTP/1.1', 'x y: z\r\n')],
  ['a header name that is not ASCII', line('GET /v1/models HTTP/1.1', 'x\xe9: z\r\n')],
]

const isAlive = (response: { complete: boolean }) => assert.ok(response.complete)

attackSuite('A request line:', [
  ...targets.map((target): Attack => ({
    name: `the target ${JSON.stringify(target)}`,
    sends: line(`GET ${target} HTTP/1.1`),
    expected: 400,
    code: 'invalid_request',
  })),
  ...targets.slice(0, 4).map((target): Attack => ({
    name: `a POST to the target ${JSON.stringify(target)}`,
    sends: rawRequest(`POST ${target.replace('models', 'chat/completions')}`, {}, chatBody),
    expected: 400,
    code: 'invalid_request',
  })),
  ...garbage.map(([name, sends]): Attack => ({ name, sends, expected: 400, check: isAlive })),
  ...[
    '/v1/%2e%2e/chat/completions',
    '/v1/../chat/completions/x',
    '/v1/chat%2fcompletions',
    '/v1/ch%61t/completions',
    '/%761/chat/completions',
    '/%00',
    '/v1/models;x',
    '/..%2f..%2fetc/passwd',
  ].map((target): Attack => ({
    name: `a POST to ${target}`,
    sends: rawRequest(`POST ${target}`, {}, chatBody),
    expected: 404,
    code: 'unknown_url',
  })),
  { name: 'a broken percent-encoding', sends: get('/v1/models/%zz'), expected: 400, code: 'invalid_request' },
])

attackSuite('Other protocols:', [
  {
    name: 'CONNECT',
    sends: line('CONNECT evil.example:443 HTTP/1.1'),
    expected: 405,
    code: 'method_not_allowed',
  },
  { name: 'TRACE', sends: line('TRACE /v1/models HTTP/1.1'), expected: 405, code: 'method_not_allowed' },
  {
    name: 'TRACE of nothing',
    sends: line('TRACE /nothing HTTP/1.1'),
    expected: 404,
    code: 'unknown_url',
  },
  ...['PUT', 'DELETE', 'PATCH', 'HEAD'].map((method): Attack => ({
    name: `${method} on a route`,
    sends: line(`${method} /v1/chat/completions HTTP/1.1`),
    expected: 405,
    code: 'method_not_allowed',
  })),
  ...['PROPFIND', 'PURGE', 'M-SEARCH'].map((method): Attack => ({
    name: `${method} of nothing`,
    sends: line(`${method} /nothing HTTP/1.1`),
    expected: 404,
    code: 'unknown_url',
  })),
  ...['websocket', 'WEBSOCKET', 'websocket/13', 'h2c,websocket'].map((protocol): Attack => ({
    name: `an upgrade to ${JSON.stringify(protocol)}`,
    sends: get('/v1/responses', { connection: 'Upgrade', upgrade: protocol, 'sec-websocket-key': 'eA==' }),
    expected: 426,
    code: 'websocket_not_supported',
  })),
  ...[
    '/openai/deployments/plain/ch%61t/completions',
    '/openai/deployments/plain/chat/completion%73',
    '/openai/deployments/plain%2Fchat/completion%73',
    '/openai%2Fdeployments/plain/chat/completions',
    '/openai/deployments//chat/completions',
    '/openai/deployments/chat/completions',
    '/openai/deployments/%2e%2e/chat/completions',
    '/openai/ch%61t/completions',
    '/v1/v1/ch%61t/completions',
    '/v1/models/../chat/completions',
  ].map((path): Attack => ({
    name: `another spelling of a route, ${path}`,
    sends: rawRequest(`POST ${path}`, {}, chatBody),
    expected: path.includes('//') ? 400 : path.startsWith('/v1/models') ? 405 : 404,
  })),
  {
    name: 'a form part in the name of a deployment',
    sends: rawRequest(
      'POST /openai/deployments/open%2Fx%0d%0a--b%0d%0a/audio/transcriptions',
      { 'content-type': 'multipart/form-data; boundary=b' },
      '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n',
    ),
    expected: 400,
    code: 'invalid_request',
  },
  { name: 'an expectation that nobody knows', sends: chat({ expect: 'x' }), expected: 417 },
  {
    name: 'a body that is asked for first and is of the wrong type',
    sends: chat({ expect: '100-continue', 'content-encoding': 'gzip, br' }),
    expected: 415,
    code: 'unsupported_media_type',
  },
])

attackSuite('Headers:', [
  ...[101, 500, 2_500].map((count): Attack => ({
    name: `${count} of them`,
    sends: line('GET /v1/models HTTP/1.1', 'a:\r\n'.repeat(count - 1)),
    expected: 431,
    code: 'headers_too_large',
  })),
  {
    name: '2500 of them, before a foreign Host',
    sends: `GET /v1/models HTTP/1.1\r\n${'a:\r\n'.repeat(2_500)}Host: evil.example\r\n\r\n`,
    expected: 431,
    code: 'headers_too_large',
  },
  { name: '99 and Host', sends: line('GET /v1/models HTTP/1.1', 'a:\r\n'.repeat(99)), expected: 200 },
  {
    name: 'one of 20 KB',
    sends: get('/v1/models', { 'x-a': 'a'.repeat(20_000) }),
    expected: 431,
    code: 'headers_too_large',
  },
  {
    name: 'a target of 20 KB',
    sends: get(`/v1/models?${'a'.repeat(20_000)}`),
    expected: 431,
    code: 'headers_too_large',
  },
  {
    name: 'names of object properties',
    sends: line(
      'GET /v1/models HTTP/1.1',
      '__proto__: x\r\nconstructor: x\r\nhasOwnProperty: x\r\n__proto__: y\r\n',
    ),
    expected: 200,
  },
  {
    name: 'a request id that would forge a log line',
    sends: get('/nothing', { 'x-request-id': 'a" event="x' }),
    expected: 404,
    code: 'unknown_url',
    check: (response) => assert.match(response.header('x-request-id') ?? '', /^req_/),
  },
])
