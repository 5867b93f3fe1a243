// Requests that two parsers read differently. A proxy in front that counts another length than the gateway takes the
// rest of one request for the next.
import assert from 'node:assert/strict'

import { rawRequest } from '../support/raw-client.ts'
import { type Attack, attackSuite, chat, chatBody, get } from './attack.ts'

const post = 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
const length = chatBody.length
const smuggled = 'GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n'
const chunked = `${length.toString(16)}\r\n${chatBody}\r\n0\r\n\r\n`

const lengths: [string, string][] = [
  ['a length and chunks', `Content-Length: ${length}\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`],
  ['chunks and a length', `Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${chunked}${smuggled}`],
  ['two different lengths', `Content-Length: ${length}\r\nContent-Length: 0\r\n\r\n${chatBody}`],
  ['two equal lengths', `Content-Length: ${length}\r\nContent-Length: ${length}\r\n\r\n${chatBody}`],
  ['a list of lengths', `Content-Length: ${length}, ${length}\r\n\r\n${chatBody}`],
  ['a length with a plus', `Content-Length: +${length}\r\n\r\n${chatBody}`],
  ['a negative length', 'Content-Length: -1\r\n\r\n'],
  ['a hexadecimal length', `Content-Length: 0x${length.toString(16)}\r\n\r\n${chatBody}`],
  ['a length with a space in it', `Content-Length: 3 1\r\n\r\n${chatBody}`],
  ['a length beyond all numbers', 'Content-Length: 99999999999999999999999\r\n\r\n'],
  ['a space before the colon', `Content-Length : ${length}\r\n\r\n${chatBody}`],
  ['a header over two lines', `X-A: b\r\n c\r\nContent-Length: ${length}\r\n\r\n${chatBody}`],
  ['a header without a colon', `Content-Length ${length}\r\n\r\n${chatBody}`],
  ['a header without a name', `: x\r\nContent-Length: ${length}\r\n\r\n${chatBody}`],
  ['a NUL in a header', `X-A: a\0b\r\nContent-Length: ${length}\r\n\r\n${chatBody}`],
  ['a bare CR in a header', `X-A: a\rb\r\nContent-Length: ${length}\r\n\r\n${chatBody}`],
  ['a bare LF after a header', `X-A: a\nContent-Length: ${length}\r\n\r\n${chatBody}`],
]

const codings: [string, string][] = [
  ['gzip, chunked', chunked],
  ['chunked, gzip', chunked],
  ['chunked, identity', chunked],
  ['chunked, chunked', chunked],
  ['identity', chatBody],
  ['xchunked', chunked],
  ['chunked;x=y', chunked],
  ['"chunked"', chunked],
  ['\x0bchunked', chunked],
  ['', chatBody],
]

const badChunks: [string, string][] = [
  ['a size that is no number', `z\r\n${chatBody}\r\n0\r\n\r\n`],
  ['a size with 0x', `0x1\r\n{\r\n0\r\n\r\n`],
  ['a negative size', `-1\r\n{\r\n0\r\n\r\n`],
  ['a size beyond all numbers', 'fffffffffffffffff\r\n{\r\n0\r\n\r\n'],
  ['a size that ends in a bare LF', `1\n{\r\n0\r\n\r\n`],
  ['more bytes than the size', `1\r\n{"x"\r\n0\r\n\r\n`],
  ['an empty size', `\r\n{\r\n0\r\n\r\n`],
]

function endsConnection(response: { header(name: string): string | undefined }): void {
  assert.equal(response.header('connection')?.toLowerCase(), 'close')
}

attackSuite('The length of a body:', [
  ...lengths.map(([name, rest]): Attack => ({
    name,
    sends: post + rest,
    expected: 400,
    check: endsConnection,
  })),
  ...codings.map(([coding, body]): Attack => ({
    name: `transfer-encoding ${JSON.stringify(coding)}`,
    sends: `${post}Transfer-Encoding: ${coding}\r\n\r\n${body}`,
    expected: 400,
    check: endsConnection,
  })),
  {
    name: 'two lines of transfer-encoding',
    sends: `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
    expected: 400,
  },
  {
    name: 'chunks with HTTP/1.0',
    sends: `${post.replace('1.1', '1.0')}Transfer-Encoding: chunked\r\n\r\n${chunked}`,
    expected: 400,
  },
  ...badChunks.map(([name, body]): Attack => ({
    name: `a chunk with ${name}`,
    sends: `${post}Transfer-Encoding: chunked\r\n\r\n${body}`,
    expected: 400,
    check: endsConnection,
  })),
  {
    name: 'a GET with a body that looks like a request',
    sends: `GET /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    expected: 400,
    code: 'invalid_request',
    check: endsConnection,
  },
  {
    name: 'a HEAD with a chunked body',
    sends:
      'HEAD /v1/models HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
    expected: 400,
    code: 'invalid_request',
  },
  {
    name: 'an OPTIONS with a body',
    sends: rawRequest('OPTIONS /v1/models', {}, 'x'),
    expected: 400,
    code: 'invalid_request',
  },
])

attackSuite('A body in a coding:', [
  ...['gzip, br', 'br,zstd', 'identity, gzip', 'compress', 'aws-chunked', ''].map((coding): Attack => ({
    name: JSON.stringify(coding),
    sends: chat({ 'content-encoding': coding }),
    expected: 415,
    code: 'unsupported_media_type',
  })),
  {
    name: 'two codings on an unknown path',
    sends: get('/nothing', { 'content-encoding': 'gzip, gzip' }),
    expected: 415,
    code: 'unsupported_media_type',
  },
])
