// Requests whose end a proxy and the server behind it might see in different places, and targets and hosts that they
// might read differently. Each hides a second call, for the model `hidden`, which must never be made.

export interface Vector {
  readonly name: string
  readonly bytes: string
}

const ask = JSON.stringify({ model: 'plain', messages: [{ role: 'user', content: 'hi' }] })
const hiddenBody = '{"model":"open/hidden"}'
const hidden = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${hiddenBody.length}\r\n\r\n${hiddenBody}`
const chunkedAsk = `${ask.length.toString(16)}\r\n${ask}\r\n0\r\n\r\n`

function post(headers: readonly string[], body: string, line = 'POST /v1/chat/completions HTTP/1.1'): string {
  return [line, 'Host: localhost', 'Content-Type: application/json', ...headers, '', body].join('\r\n')
}

const length = `Content-Length: ${ask.length}`
const chunked = 'Transfer-Encoding: chunked'

/** A chunked call that would be over at its last chunk, and a length that takes the hidden one in. */
const lengthAndChunks = (...headers: string[]) => post(headers, chunkedAsk + hidden)
const longer = `Content-Length: ${chunkedAsk.length + hidden.length}`

const framings: readonly (readonly [string, string])[] = [
  ['a length and chunks', lengthAndChunks(longer, chunked)],
  ['chunks and a length', lengthAndChunks(chunked, longer)],
  ['a length of nothing and chunks', lengthAndChunks('Content-Length: 0', chunked)],
  ['two equal lengths', post([length, length], ask + hidden)],
  ['two different lengths', post([length, `Content-Length: ${ask.length + hidden.length}`], ask + hidden)],
  ['a list of lengths', post([`Content-Length: ${ask.length}, ${ask.length}`], ask + hidden)],
  ...[
    `+${ask.length}`,
    '-1',
    '0x10',
    '1e2',
    `${ask.length} 5`,
    '99999999999999999999',
    '',
    `${ask.length}.0`,
  ].map((value) => [`a length of "${value}"`, post([`Content-Length: ${value}`], ask + hidden)] as const),
  ...[
    'xchunked',
    'chunked, identity',
    'gzip, chunked',
    'identity',
    'chunked, chunked',
    '"chunked"',
    '\x0bchunked',
    'chunked;q=1',
    'identity, chunked',
    'x',
  ].map(
    (value) =>
      [
        `the transfer coding ${JSON.stringify(value)}`,
        lengthAndChunks(`Transfer-Encoding: ${value}`),
      ] as const,
  ),
  ...[
    'Transfer-Encoding : chunked',
    'Transfer-Encoding\t: chunked',
    ' Transfer-Encoding: chunked',
    'Transfer_Encoding: chunked',
    'X: y\r\n Transfer-Encoding: chunked',
    'X: y\nTransfer-Encoding: chunked',
    'X: y\rTransfer-Encoding: chunked',
    'Transfer-Encoding: \r\n chunked',
    'Transfer-Encoding: chunked\0',
    'Transfer-\0Encoding: chunked',
  ].map((line) => [`the line ${JSON.stringify(line)}`, lengthAndChunks(longer, line)] as const),
  ['two transfer codings', lengthAndChunks(chunked, 'Transfer-Encoding: identity')],
  ['chunks in HTTP/1.0', post([longer, chunked], chunkedAsk + hidden, 'POST /v1/chat/completions HTTP/1.0')],
  ...['0x5', '-1', '5 ', ' 5', '5\n', 'fffffffffffffffff', '', 'g', '+5'].map(
    (size) =>
      [
        `a chunk of size ${JSON.stringify(size)}`,
        post([chunked], `${size}\r\nhello\r\n0\r\n\r\n${hidden}`),
      ] as const,
  ),
  ['a chunk longer than it says', post([chunked], `2\r\n${ask}\r\n0\r\n\r\n${hidden}`)],
  ['a chunk that ends in a line feed', post([chunked], `${ask.length.toString(16)}\n${ask}\n0\n\n${hidden}`)],
  ['a chunk extension with a line feed', post([chunked], `5;a\nb\r\nhello\r\n0\r\n\r\n${hidden}`)],
  [
    'a trailer that says a length',
    post([chunked], `${ask.length.toString(16)}\r\n${ask}\r\n0\r\nContent-Length: 9\r\n\r\n${hidden}`),
  ],
  [
    'a body on GET',
    `GET /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
  ],
  [
    'a chunked body on GET',
    `GET /v1/models HTTP/1.1\r\nHost: localhost\r\n${chunked}\r\n\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
  ],
  ['line feeds only', post([length], ask).replaceAll('\r\n', '\n')],
  ['a byte of nothing in a header', post([length, 'X: a\0b'], ask)],
]

const targets: readonly (readonly [string, string])[] = [
  '/v1/chat/completions#x',
  '//evil.example/v1/chat/completions',
  '/\\evil',
  '/v1/%2e%2e/v1/chat/completions',
  'http://evil.example/v1/chat/completions',
  '/v1/chat/completions HTTP/1.1\r\nX: ',
  '/v1/chat/completions\0',
  '*',
].map(
  (target) =>
    [`the target ${JSON.stringify(target)}`, post([length], ask, `POST ${target} HTTP/1.1`)] as const,
)

const hosts: readonly (readonly [string, string])[] = [
  ['two hosts', post([length, 'Host: evil.example'], ask)],
  ['a host with a path', post([length], ask).replace('Host: localhost', 'Host: localhost/v1?x=')],
  ['no host', post([length], ask).replace('Host: localhost\r\n', '')],
  [
    'HTTP/1.0 without a host',
    post([length], ask, 'POST /v1/chat/completions HTTP/1.0').replace('Host: localhost\r\n', ''),
  ],
]

const others: readonly (readonly [string, string])[] = [
  ['CONNECT', `CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n${hidden}`],
  ['TRACE', `TRACE /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n`],
  [
    'an upgrade to h2c',
    post(
      [
        length,
        'Upgrade: h2c',
        'Connection: Upgrade, HTTP2-Settings',
        'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
      ],
      ask,
    ),
  ],
  [
    'an upgrade to a WebSocket',
    `GET /v1/models HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n${hidden.replace('POST', 'P0ST')}`,
  ],
  ['2500 headers', post([length, ...Array.from({ length: 2500 }, (_, index) => `x${index}: y`)], ask)],
  ['150 headers', post([length, ...Array.from({ length: 150 }, (_, index) => `x${index}: y`)], ask)],
  ['a header named __proto__', post([length, '__proto__: x'], ask)],
  ['Connection that names the key', post([length, 'Connection: authorization, content-type, host'], ask)],
  ['an expectation', post([length, 'Expect: 100-continue'], ask)],
]

export const vectors: readonly Vector[] = [...framings, ...targets, ...hosts, ...others].map(
  ([name, bytes]) => ({
    name,
    bytes,
  }),
)
