// Ways to spoil a request: in its bytes, its head, its body, its framing, and its delivery.
import type { Random } from '../support/random.ts'
import { validRequest } from './requests.ts'
import type { Draft } from './requests.ts'

/** What is sent: the pieces one after the other, each in a turn of its own, and then perhaps the client leaves. */
export interface Input {
  readonly pieces: readonly Buffer[]
  readonly leaves: 'no' | 'close' | 'reset'
}

export function makeInput(random: Random): Input {
  const draft = validRequest(random)
  for (let count = random.below(3); count > 0; count--) random.pick(draftMutations)(draft, random)
  let bytes = frame(draft, random)
  if (random.has(0.1)) bytes = Buffer.concat([bytes, frame(validRequest(random), random)])
  if (random.has(0.45)) {
    for (let count = 1 + random.below(3); count > 0; count--)
      bytes = random.pick(byteMutations)(bytes, random)
  }
  const leaves = random.has(0.05) ? random.pick(['close', 'reset'] as const) : 'no'
  return { pieces: random.has(0.3) ? cut(bytes, random) : [bytes], leaves }
}

// ── Framing ───────────────────────────────────────────────────────────────────────────────────────────────────────

function frame(draft: Draft, random: Random): Buffer {
  const isChunked = random.has(0.2)
  const lines = isChunked
    ? [
        ...draft.headers.filter((line) => random.has(0.05) || !/^content-length/i.test(line)),
        'transfer-encoding: chunked',
      ]
    : draft.headers
  const lineEnd = random.has(0.01) ? '\n' : '\r\n'
  const head = Buffer.from([draft.line, ...lines, '', ''].join(lineEnd), 'latin1')
  return Buffer.concat([head, isChunked ? chunked(draft.body, random) : draft.body])
}

function chunked(body: Buffer, random: Random): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < body.length;) {
    const piece = body.subarray(at, at + 1 + random.below(body.length))
    const size = random.has(0.03)
      ? random.pick(['0', '-1', 'fffffffffffffffff', '0x5', '', ' 5', '7fffffff', String(piece.length + 1)])
      : piece.length.toString(16)
    const extension = random.has(0.05) ? random.pick([';a=b', ';', ';"\r"', ` ;${'x'.repeat(5000)}`]) : ''
    parts.push(Buffer.from(`${size}${extension}\r\n`), piece, Buffer.from(random.has(0.02) ? '\n' : '\r\n'))
    at += piece.length
  }
  const trailers = random.has(0.05) ? 'content-length: 3\r\nx-trailer: y\r\n' : ''
  if (!random.has(0.03)) parts.push(Buffer.from(`0\r\n${trailers}\r\n`))
  return Buffer.concat(parts)
}

function cut(bytes: Buffer, random: Random): Buffer[] {
  const bounds = Array.from({ length: 1 + random.below(5) }, () => random.below(bytes.length + 1))
  const sorted = [0, ...bounds, bytes.length].sort((a, b) => a - b)
  return sorted.slice(1).map((bound, index) => bytes.subarray(sorted[index], bound))
}

// ── Bytes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

type ByteMutation = (bytes: Buffer, random: Random) => Buffer

const tokens = [
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  ' ',
  '\t',
  ':',
  '"',
  '\\',
  '{',
  '}',
  '[',
  ',',
  '--',
  '\x7f',
  '\xff',
  '\xed\xa0\x80',
  '\xef\xbb\xbf',
  '\\u0000',
  '\\ud800',
  '%00',
  '%2e%2e/',
  '0',
  '-',
  '1e400',
]

function splice(bytes: Buffer, at: number, removed: number, added: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)])
}

const byteMutations: readonly ByteMutation[] = [
  (bytes, random) => {
    const copy = Buffer.from(bytes)
    const at = random.below(copy.length)
    if (copy.length > 0) copy[at] = copy[at]! ^ (1 << random.below(8))
    return copy
  },
  (bytes, random) => splice(bytes, random.below(bytes.length), 0, Buffer.from(random.pick(tokens), 'latin1')),
  (bytes, random) => splice(bytes, random.below(bytes.length), 1, Buffer.from([random.below(256)])),
  (bytes, random) => splice(bytes, random.below(bytes.length), 1 + random.below(20), Buffer.alloc(0)),
  (bytes, random) => {
    const at = random.below(bytes.length)
    return splice(bytes, at, 0, bytes.subarray(at, at + 1 + random.below(60)))
  },
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
]

// ── Head and body ─────────────────────────────────────────────────────────────────────────────────────────────────

type DraftMutation = (draft: Draft, random: Random) => void

const hostileHeaders = [
  'transfer-encoding: chunked',
  'transfer-encoding: gzip, chunked',
  'transfer-encoding: identity',
  'Transfer-Encoding : chunked',
  'transfer-encoding:\x0bchunked',
  'content-length: 0',
  'content-length: 5',
  'content-length: +5',
  'content-length: 99999999999999999999',
  'content-length: 5, 5',
  'content-length: -1',
  'expect: 100-continue',
  'expect: something',
  'upgrade: websocket',
  'upgrade: h2c',
  'connection: close',
  'connection: upgrade',
  'connection: authorization, content-type',
  'connection: keep-alive, close',
  'te: trailers',
  'host: evil.example',
  'host: localhost',
  'host: ',
  'host: localhost/health?x=',
  'origin: https://evil.example',
  'origin: null',
  'origin: http://localhost:3000',
  'sec-fetch-site: cross-site',
  'sec-fetch-site: none',
  'content-encoding: gzip',
  'content-encoding: identity',
  'content-type: text/plain',
  'content-type: application/json; charset=utf-16',
  'content-type: application/json; charset="utf-8"',
  'content-type: multipart/form-data',
  'content-type: multipart/form-data; boundary=b; boundary=c',
  'content-type: ;',
  'authorization: Bearer client',
  'x-api-key: client',
  'cookie: a=b',
  'x-forwarded-for: 10.0.0.1',
  'x-forwarded-host: evil.example',
  'x-request-id: mine',
  'x-request-id: a b',
  'x-request-id: \xff',
  '__proto__: x',
  'constructor: x',
  ' folded: y',
  '\tfolded',
  ': no name',
  'no colon',
  'x-nul: \0',
  'x-long: ' + 'y'.repeat(20_000),
  'content-disposition: form-data',
  'range: bytes=0-1',
  'accept-encoding: gzip',
  'http2-settings: AAMAAABkAARAAAAAAAIAAAAA',
  'proxy-connection: close',
  'access-control-request-method: POST',
  'access-control-request-private-network: true',
  'trailer: content-length',
  'max-forwards: 0',
]
const targets = [
  '/',
  '*',
  '//evil.example/v1/models',
  'http://evil.example/v1/models',
  '/v1/models#x',
  '/v1/%2e%2e/x',
  '/v1/models/%',
  '/v1/models/%ff',
  '/v1/chat/completions?x=%00',
  '/V1/CHAT/COMPLETIONS',
  '/v1/chat/completions/',
  '/v1/models/__proto__',
  '/\\evil',
  'localhost:4000',
  '/v1/models/' + 'a'.repeat(9000),
  '/v1/models/a%2Fb',
  '/\xff',
]
const methods = [
  'GET',
  'PUT',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PATCH',
  'post',
  'QUERY',
  'PRI',
  'HTTP/1.1',
  '',
  'P\0ST',
]
const versions = ['HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/1.2', 'HTTP/1.1 ', 'http/1.1', '']

/** In place of a JSON value. */
const values = [
  'null',
  '-0',
  '1e400',
  '123456789012345678901234567890',
  '""',
  '"plain"',
  '"echo"',
  '"none"',
  '"__proto__"',
  '"constructor"',
  '"open/x"',
  '"\\u0070lain"',
  '"\\ud800"',
  '[]',
  '{}',
  '[[[[]]]]',
  'true',
  '"' + 'm'.repeat(300) + '"',
  '['.repeat(12_000),
  '{"model":"plain"}',
  '"plain\\u0000"',
  '"pl\u200bain"',
  "'plain'",
  'NaN',
  '"vendor/deep-model:7b"',
]
const names = [
  'model',
  'Model',
  'MODEL',
  'mode\\u006c',
  'model ',
  'stream',
  'ſtream',
  'stream_options',
  'max_tokens',
  'n',
  'messages',
  'input',
  'prompt',
  '__proto__',
  'api_base',
  'base_url',
  'api_key',
  'extra_headers',
  'provider',
  '',
]
const fieldNames = [
  'model',
  'Model',
  'stream',
  'n',
  'file',
  'prompt',
  '',
  'model"; x="',
  'model\\"',
  'mod\xc3\xa9l',
  '__proto__',
]

function replaceOnce(draft: Draft, pattern: RegExp, by: string): void {
  draft.body = Buffer.from(
    draft.body.toString('latin1').replace(pattern, () => by),
    'latin1',
  )
  fitLength(draft)
}

function fitLength(draft: Draft): void {
  draft.headers = draft.headers.map((line) =>
    line.startsWith('content-length:') ? `content-length: ${draft.body.length}` : line,
  )
}

const draftMutations: readonly DraftMutation[] = [
  (draft, random) =>
    draft.headers.splice(random.below(draft.headers.length + 1), 0, random.pick(hostileHeaders)),
  (draft, random) =>
    draft.headers.splice(random.below(draft.headers.length + 1), 0, random.pick(hostileHeaders)),
  (draft, random) => draft.headers.splice(random.below(draft.headers.length), 1),
  (draft, random) => draft.headers.push(random.pick(draft.headers) ?? 'host: localhost'),
  (draft, random) => draft.headers.splice(random.below(draft.headers.length), 1, random.pick(hostileHeaders)),
  (draft, random) => {
    for (let count = random.pick([90, 150, 2500]); count > 0; count--) draft.headers.push(`x${count}: y`)
  },
  (draft, random) => {
    const [method, target, version] = draft.line.split(' ')
    draft.line = random.pick([
      `${random.pick(methods)} ${target} ${version}`,
      `${method} ${random.pick(targets)} ${version}`,
      `${method} ${target} ${random.pick(versions)}`,
      `${method}  ${target} ${version}`,
    ])
  },
  (draft, random) => replaceOnce(draft, /"model": ?"[^"]*"/, `"model":${random.pick(values)}`),
  (draft, random) => replaceOnce(draft, /\{/, `{"${random.pick(names)}":${random.pick(values)},`),
  (draft, random) => replaceOnce(draft, /\}(?=[^}]*$)/, `,"${random.pick(names)}":${random.pick(values)}}`),
  (draft, random) => replaceOnce(draft, /:(true|false|\d+)/, `:${random.pick(values)}`),
  (draft, random) =>
    replaceOnce(draft, /name="\w+"/, `name="${Buffer.from(random.pick(fieldNames)).toString('latin1')}"`),
  (draft, random) =>
    replaceOnce(
      draft,
      /\r\n\r\n/,
      random.pick([
        '\r\n',
        '\n\n',
        '\r\ncontent-transfer-encoding: base64\r\n\r\n',
        '; filename="x"\r\n\r\n',
        "; filename*=utf-8''x\r\n\r\n",
        '\r\nx: y\r\n z\r\n\r\n',
      ]),
    ),
  (draft, random) =>
    replaceOnce(draft, /--\r\n$/, random.pick(['', '\r\n', '--', '--\r\nepilogue', '----\r\n'])),
  (draft, random) => {
    let body = draft.body
    for (let count = 1 + random.below(3); count > 0; count--) body = random.pick(byteMutations)(body, random)
    draft.body = body
    fitLength(draft)
  },
  (draft, random) => {
    const by = random.pick([-1, 1, 2, 1000, 40_000_000])
    draft.headers = draft.headers.map((line) =>
      line.startsWith('content-length:') ? `content-length: ${draft.body.length + by}` : line,
    )
  },
]
