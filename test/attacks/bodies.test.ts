// Bodies that would cost memory, or that gateway and provider would read differently.
import assert from 'node:assert/strict'

import { type RawResponse, rawRequest } from '../support/raw-client.ts'
import { type Attack, attackSuite, chat } from './attack.ts'

const maxBytes = 65_536
const deep = 200_000

const post = (headers: string) =>
  `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}\r\n`

const chunkOf = (bytes: number) => `${bytes.toString(16)}\r\n${' '.repeat(bytes)}\r\n`

attackSuite(
  'A body that is too large:',
  [
    {
      name: 'by its length, of which nothing is sent',
      sends: post('Content-Length: 65537\r\n'),
      expected: 413,
      code: 'request_too_large',
    },
    {
      name: 'by a length of many gigabytes',
      sends: post('Content-Length: 99999999999999\r\n'),
      expected: 413,
      code: 'request_too_large',
    },
    {
      name: 'by its length, with the question whether to send it',
      sends: post('Content-Length: 65537\r\nExpect: 100-continue\r\n'),
      expected: 413,
      code: 'request_too_large',
    },
    {
      name: 'in chunks',
      sends: [post('Transfer-Encoding: chunked\r\n'), ...Array.from({ length: 9 }, () => chunkOf(8_192))],
      expected: 413,
      code: 'request_too_large',
    },
    {
      name: 'in the extension of a chunk',
      sends: `${post('Transfer-Encoding: chunked\r\n')}1;${'x'.repeat(20_000)}\r\n{\r\n0\r\n\r\n`,
      expected: 400,
    },
  ],
  { server: { max_request_body_bytes: maxBytes } },
)

const bodies: [string, Uint8Array | string][] = [
  ['nothing', ''],
  ['a list', '[{"model":"plain"}]'],
  ['a text', '"plain"'],
  ['null', 'null'],
  ['half an object', '{"model":"plain"'],
  ['something behind the object', '{"model":"plain"} {"model":"plain"}'],
  ['two models', '{"model":"plain","model":"dear"}'],
  ['two models in two spellings', '{"model":"plain","mod\\u0065l":"dear"}'],
  ['a second model in another case', '{"model":"plain","Model":"dear"}'],
  ['two limits of tokens', '{"model":"plain","max_tokens":1,"max_tokens":100000}'],
  ['two streams', '{"model":"plain","stream":false,"stream":true}'],
  ['no model', '{"messages":[]}'],
  ['a model that is a number', '{"model":1}'],
  ['a model that is a list', '{"model":["plain"]}'],
  ['bytes that are no UTF-8', Buffer.from('{"model":"plain\xff"}', 'latin1')],
  ['UTF-16', Buffer.from('{"model":"plain"}', 'utf16le')],
  ['a control character in a text', '{"model":"pla\x01in"}'],
  ['a comment', '{"model":"plain"/**/}'],
  ['single quotes', "{'model':'plain'}"],
  ['NaN', '{"model":"plain","temperature":NaN}'],
  [`${deep} nested lists`, `{"model":"plain","x":${'['.repeat(deep)}${']'.repeat(deep)}}`],
  [`${deep} nested objects`, `{"model":"plain","x":${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}}`],
  [`${deep} lists that never end`, `{"model":"plain","x":${'['.repeat(deep)}`],
]

const names = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'plain ',
  'PLAIN',
  '../plain',
  'plain/*',
  '*',
  '\\u0000',
  'pl\\u200bain',
]

attackSuite('A JSON body with', [
  ...bodies.map(([name, body]): Attack => ({
    name,
    sends: chat({}, body),
    expected: 400,
    code: 'invalid_request',
  })),
  ...names.map((model): Attack => ({
    name: `the model "${model}"`,
    sends: chat({}, `{"model":"${model}"}`),
    expected: 404,
    code: 'model_not_found',
  })),
  {
    name: 'a model whose name would forge a log line',
    sends: chat({}, '{"model":"x\\r\\n{\\"level\\":\\"INFO\\"}\\u001b[2J"}'),
    expected: 404,
    code: 'model_not_found',
    async check(_, { gateway }) {
      const line = await gateway.logged({ model: 'x\r\n{"level":"INFO"}\u001b[2J' })
      assert.equal(line['event'], 'model_not_found')
    },
  },
  {
    name: 'a model with a name of 100 KB',
    sends: chat({}, JSON.stringify({ model: 'x'.repeat(100_000) })),
    expected: 400,
    code: 'invalid_request',
    check: (response) => assert.ok(response.body().length < 2_000),
  },
  ...['1e400', '-1', '1e308', '99999999999999999999', '"9"', 'null', '[1]'].map((tokens): Attack => ({
    name: `max_tokens ${tokens} for a model that is none`,
    sends: chat({}, `{"model":"none","max_tokens":${tokens},"n":1e9}`),
    expected: 404,
    code: 'model_not_found',
  })),
])

const form = (boundary: string, body: string) =>
  rawRequest('POST /v1/audio/transcriptions', { 'content-type': `multipart/form-data${boundary}` }, body)
const part = (name: string, value: string) =>
  `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`

const forms = [
  ['no boundary', '', `${part('model', 'plain')}--b--\r\n`],
  ['a boundary of 1 KB', `; boundary=${'b'.repeat(1_024)}`, `${part('model', 'plain')}--b--\r\n`],
  ...[
    '; boundary=b; boundary=c',
    '; boundary=c; boundary=b',
    '; boundary=b; Boundary="b"',
    "; boundary=b; boundary*=utf-8''c",
    '; boundary=b; boundary*0=c',
    '; boundary=b; boundary =c',
    '; boundary = b',
    '; boundary= b',
    '; boundary="b"c',
    '; boundary="b',
    '; boundary="b "',
    String.raw`; boundary="\b"`,
    String.raw`; x="\"; boundary=b; y="`,
    '; x="; boundary=b;"',
    '; x="; boundary=c"; boundary=b',
    '; boundary=b,c',
    '; boundary=b c',
    '; boundary=b\xa0',
    '; boundary=b!',
    '; boundary=',
    '; boundary=""',
  ].map((parameters): [string, string, string] => [
    `the parameters ${parameters}`,
    parameters,
    `${part('model', 'plain')}--b--\r\n`,
  ]),
  ['another boundary', '; boundary=c', `${part('model', 'plain')}--b--\r\n`],
  ['no model', '; boundary=b', `${part('x', 'plain')}--b--\r\n`],
  ['two models', '; boundary=b', `${part('model', 'plain')}${part('model', 'dear')}--b--\r\n`],
  ['no end', '; boundary=b', part('model', 'plain')],
  ['nothing', '; boundary=b', ''],
  ['many dashes', '; boundary=b', '--b-'.repeat(50_000)],
] as const

attackSuite(
  'A multipart body with',
  forms.map(([name, boundary, body]): Attack => ({
    name,
    sends: form(boundary, body),
    expected: 400,
    code: 'invalid_request',
  })),
)

const twoTypes = (one: string, other: string, body: string) =>
  rawRequest('POST /v1/images/edits', { 'content-type': one, 'Content-Type': other }, body)
const oneModel = '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nplain\r\n--b--\r\n'
const named = (response: RawResponse) =>
  assert.match(response.body().toString(), /two content-type headers that differ, .*Send one/)

attackSuite('A body of two content types:', [
  {
    name: 'a form that is also JSON',
    sends: twoTypes('multipart/form-data; boundary=b', 'application/json', oneModel),
    expected: 400,
    code: 'invalid_request',
    check: named,
  },
  {
    name: 'JSON that is also a form',
    sends: twoTypes('application/json', 'multipart/form-data; boundary=b', '{"model":"plain"}'),
    expected: 400,
    code: 'invalid_request',
    check: named,
  },
  {
    name: 'a form with two boundaries',
    sends: twoTypes('multipart/form-data; boundary=b', 'multipart/form-data; boundary=c', oneModel),
    expected: 400,
    code: 'invalid_request',
    check: named,
  },
])
