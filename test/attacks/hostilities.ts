// What hostile and broken providers answer, and what the client is to see of it.
import assert from 'node:assert/strict'
import { brotliCompressSync, gzipSync } from 'node:zlib'

import type { RawResponse } from '../support/raw-client.ts'
import {
  bytes,
  chunk,
  content,
  end,
  head,
  json,
  lastChunk,
  reset,
  type Script,
  sse,
  stream,
  streamHead,
} from '../support/upstream-script.ts'

/** The provider's key, which it may repeat and nobody may see. */
export const key = 'sk-hostile-5e1d/9c'
export const usage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }
const delta = '{"choices":[{"index":0,"delta":{"content":"a"}}]}'
export interface Hostility {
  readonly name: string
  readonly script: () => Script
  readonly stream?: boolean
  readonly status: number
  /** `x-llm-gateway-error`, or the code in the error event of a stream. */
  readonly code?: string
  readonly check?: (response: RawResponse) => void
}

const redirects = [301, 302, 303, 307, 308, 300, 304].map((status): Hostility => ({
  name: `a redirect with ${status}`,
  script: () => [head(status, { location: 'http://127.0.0.1:1/steal', 'content-length': '0' })],
  status: 502,
  code: 'provider_bad_response',
}))

const oddStatuses = ['600', '999', '000', '99', '1000', '-1', 'abc', '20'].map((status): Hostility => ({
  name: `the status ${status}`,
  script: () => [bytes(`HTTP/1.1 ${status} Odd\r\ncontent-length: 2\r\n\r\n{}`), end],
  status: 502,
  code: 'provider_bad_response',
}))

/** Answers on which undici's parser, or the gateway, gives up. */
const broken: [string, () => Script][] = [
  ['nothing', () => [end]],
  ['a reset', () => [reset]],
  ['no HTTP', () => [bytes('SSH-2.0-OpenSSH_9.2\r\n'), end]],
  ['HTTP/2', () => [bytes(Buffer.from('000012040000000000', 'hex')), end]],
  ['half a head', () => [bytes('HTTP/1.1 200 OK\r\ncontent-type: appl'), end]],
  ['a switch of protocols', () => [head(101, { upgrade: 'websocket', connection: 'upgrade' }), end]],
  ['a switch of protocols that nobody asked for', () => [head(101), end]],
  ['a header of 20 KB', () => [head(200, { 'x-a': 'a'.repeat(20_000), 'content-length': '0' }), end]],
  [
    '5000 headers',
    () => [head(200, Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`x-${i}`, 'a']))), end],
  ],
  ['two lengths', () => [bytes('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}'), end]],
  [
    'a length and chunks',
    () => [head(200, { 'content-length': '2', 'transfer-encoding': 'chunked' }), chunk('{}'), lastChunk, end],
  ],
  ['a negative length', () => [bytes('HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}'), end]],
  [
    'a length that is too long',
    () => [head(200, { 'content-type': 'application/json', 'content-length': '9' }), bytes('{}'), end],
  ],
  [
    'chunks without an end',
    () => [
      head(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }),
      chunk('{}'),
      end,
    ],
  ],
  [
    'a chunk with a size that is no number',
    () => [
      head(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }),
      bytes('zz\r\n{}\r\n0\r\n\r\n'),
      end,
    ],
  ],
  ['a NUL in a header', () => [bytes('HTTP/1.1 200 OK\r\nx-a: a\0b\r\ncontent-length: 2\r\n\r\n{}'), end]],
  [
    'a flood of 1xx',
    function* () {
      for (let count = 0; count < 10_000; count++) yield head(103, { link: '</x>' })
      yield end
    },
  ],
  [
    'an endless flood of 1xx',
    function* () {
      for (;;) yield head(103, { link: '</x>' })
    },
  ],
  [
    'an endless header',
    function* () {
      yield bytes('HTTP/1.1 200 OK\r\nx-a: ')
      for (let count = 0; count < 1_000; count++) yield bytes('a'.repeat(1_024))
      yield end
    },
  ],
  [
    'an endless error',
    function* () {
      yield head(500, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' })
      for (let count = 0; count < 40; count++) yield chunk('x'.repeat(65_536))
      yield end
    },
  ],
]

const errorEvents: [string, () => Script][] = [
  ['ends without [DONE]', () => [streamHead(), chunk(`data: ${delta}\n\n`), lastChunk]],
  ['breaks off', () => [streamHead(), chunk(`data: ${delta}\n\n`), reset]],
  ['has a bad chunk', () => [streamHead(), chunk(`data: ${delta}\n\n`), bytes('zz\r\n'), end]],
  ['ends within an event', () => [streamHead(), chunk(`data: ${delta}\n\ndata: {"cho`), lastChunk]],
]

/** As they stand in the JSON. */
const hostileCounts = ['-1', '1e308', '1e400', '"7"', 'null', '[]', '{}', 'true', '100000001', '5e-324']

export const hostilities: Hostility[] = [
  ...redirects,
  ...oddStatuses,
  ...broken.map(([name, script]): Hostility => ({
    name,
    script,
    status: 502,
    code: 'provider_bad_response',
  })),
  ...errorEvents.map(([name, script]): Hostility => ({
    name: `a stream that ${name}`,
    script,
    stream: true,
    status: 200,
    code: 'provider_bad_response',
    check: (response) => assert.ok(response.complete),
  })),
  ...['401', '403', '407'].map((status): Hostility => ({
    name: `${status}, with the key`,
    script: () => json(Number(status), { error: { message: `no ${key}` } }, { 'www-authenticate': key }),
    status: 502,
  })),
  {
    name: 'an error page of a proxy',
    script: () => content(503, 'text/html', `<script>alert(1)</script>${key}`),
    status: 502,
    code: 'provider_bad_response',
  },
  ...[key, encodeURIComponent(key), Buffer.from(key).toString('base64'), key.replace('/', '\\/')].map(
    (form, index): Hostility => ({
      name: `an error that repeats the key in form ${index + 1}`,
      script: () =>
        content(400, 'application/json', `{"error":{"message":"bad key ${form}","code":"${form}"}}`),
      status: 400,
      check: (response) => assert.match(response.body().toString(), /bad key \[secret\]/),
    }),
  ),
  ...[
    { coding: 'gzip', encode: gzipSync },
    { coding: 'br', encode: brotliCompressSync },
  ].map(({ coding, encode }): Hostility => ({
    name: `an error that repeats the key in ${coding}`,
    script: () =>
      content(400, 'application/json', encode(`{"error":{"message":"bad key ${key}"}}`), {
        'content-encoding': coding,
      }),
    status: 400,
    check(response) {
      assert.equal(response.body().toString(), '{"error":{"message":"bad key [secret]"}}')
      assert.equal(response.header('content-encoding'), undefined)
    },
  })),
  ...[
    ['a gzip bomb as an error', gzipSync(Buffer.alloc(20_000_000, 32)), 'gzip'],
    [
      'an error in UTF-16 that repeats the key',
      Buffer.from(`{"error":{"message":"${key}"}}`, 'utf16le'),
      'identity',
    ],
    ['an error in an unknown coding', key, 'rot13'],
    ['an error in a coding that it lacks', key, 'gzip'],
  ].map(([name, body, coding]): Hostility => ({
    name: String(name),
    script: () => content(400, 'application/json', body!, { 'content-encoding': String(coding) }),
    status: 502,
    code: 'provider_bad_response',
  })),
  {
    name: 'a long error full of escapes that repeats the key in some',
    script: () => {
      const escaped = Array.from(key, (each) => String.raw`\u00` + each.charCodeAt(0).toString(16)).join('')
      const filler = String.raw`\\%25`.repeat(150_000)
      return content(400, 'application/json', `{"error":{"message":"${filler} bad key ${escaped}"}}`)
    },
    status: 400,
    check(response) {
      const { error } = JSON.parse(response.body().toString()) as { error: { message: string } }
      assert.ok(error.message.endsWith('\\%25 bad key [secret]'))
    },
  },
  {
    name: 'an error event that repeats the key, under an escaped name',
    script: () =>
      stream(
        String.raw`data: {"choices":[{"index":0,"delta":{"content":"a"}}]}${'\n\n'}data: {"\u0065\u0072ror":{"message":"bad key ${key}"}}${'\n\n'}`,
      ),
    stream: true,
    status: 200,
    check: (response) => assert.match(response.body().toString(), /bad key \[secret\]/),
  },
  {
    name: 'an event too large to be held that repeats the key',
    script: () => stream(`data: {"error":{"message":"bad key ${key} ${'x'.repeat(5_000_000)}"}}\n\n`),
    stream: true,
    status: 200,
    check: (response) => assert.ok(!response.body().includes(key)),
  },
  {
    name: 'a header that repeats the key',
    script: () => json(200, { usage }, { 'openai-version': `Bearer ${key}`, 'x-key': key }),
    status: 200,
    check: (response) => assert.equal(response.header('openai-version'), 'Bearer [secret]'),
  },
  {
    name: 'a web page as a good answer',
    script: () => content(200, 'text/html', '<script>alert(1)</script>'),
    status: 502,
    check(response) {
      assert.equal(response.header('x-content-type-options'), 'nosniff')
      assert.ok(!response.body().includes('<script>'))
    },
  },
  {
    name: 'cookies, CORS and policies',
    script: () =>
      json(
        200,
        { usage },
        {
          'set-cookie': 'a=b',
          'access-control-allow-origin': '*',
          'access-control-allow-credentials': 'true',
          'strict-transport-security': 'max-age=9',
          'alt-svc': 'h3=":443"',
          location: '/x',
          refresh: '0; url=/x',
          'clear-site-data': '"*"',
          'content-security-policy': 'x',
          server: 'x',
          link: '</x>; rel=preload',
        },
      ),
    status: 200,
    check(response) {
      const forbidden =
        /^(set-cookie|access-control-|strict|alt-svc|location|refresh|clear|content-sec|server$|link)/i
      assert.deepEqual(
        response.headers.filter(([name]) => forbidden.test(name)),
        [],
      )
    },
  },
  {
    name: 'a gzip bomb',
    script: () =>
      content(200, 'application/json', gzipSync(Buffer.alloc(20_000_000, 32)), {
        'content-encoding': 'gzip',
      }),
    status: 502,
    code: 'provider_bad_response',
  },
  {
    name: 'more bytes than its length',
    script: () => [
      head(200, { 'content-type': 'application/json', 'content-length': '2' }),
      bytes('{}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil'),
    ],
    status: 200,
    check: (response) => assert.equal(response.body().toString(), '{}'),
  },
  {
    name: 'an answer to a question that nobody asked',
    script: () => [
      ...(json(200, { usage }) as Iterable<ReturnType<typeof bytes>>),
      bytes('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil'),
    ],
    status: 200,
  },
  {
    name: 'a line of 5 MB without an end',
    script: function* () {
      yield streamHead()
      yield chunk('data: ')
      for (let count = 0; count < 80; count++) yield chunk('x'.repeat(65_536))
      yield lastChunk
    },
    stream: true,
    status: 200,
  },
  {
    name: 'events of nothing but newlines',
    script: () => stream('\n'.repeat(200_000) + 'data: {"choices":[]}\n\ndata: [DONE]\n\n'),
    stream: true,
    status: 200,
  },
  ...hostileCounts.map((tokens): Hostility => ({
    name: `usage of ${tokens} tokens`,
    script: () =>
      content(
        200,
        'application/json',
        `{"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":${tokens}}}`,
      ),
    status: 200,
  })),
  {
    name: 'usage of many tokens on a stream',
    script: () =>
      sse([
        delta,
        '{"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":1e308,"total_tokens":"x"}}',
        '[DONE]',
      ]),
    stream: true,
    status: 200,
  },
]
