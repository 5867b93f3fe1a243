// Whole bodies under a good status: which are responses, which are errors, and which are neither.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../support/properties.ts'

import { errorHeadOf } from '../../src/dialects/openai/errors.ts'
import { faultOfHead, judgeWholeResponse, mayBeWhole } from '../../src/dialects/whole-response.ts'

const outputMember = 'choices'
const head = (type: string, headers = {}) => ({ status: 200, headers: { 'content-type': type, ...headers } })

function kindOf(body: string | Buffer, type = 'application/json', mayBeEmpty = false): string {
  return judgeWholeResponse(head(type), Buffer.from(body as string), {
    mayBeEmpty,
    errorHeadOf,
    outputMember,
  }).kind
}

const responses: readonly [string, string][] = [
  ['a usual one', '{"choices":[{"message":{"content":"an \\"error\\" of mine"}}]}'],
  ['white space around it', '\n {"choices":[]} \r\n\n'],
  ['a number beyond 2^53', '{"created":123456789012345678901234567890,"choices":[]}'],
  ['duplicate names', '{"object":"list","object":"list","type":"a","type":"b"}'],
  ['a name in another case', '{"Error":null,"choices":[]}'],
  ['a byte order mark', '\ufeff{"choices":[]}'],
  ['an array', '[{"embedding":[0.5]}]'],
  ['a text', '"done"'],
  ['numbers as Python writes them', '{"logprobs":[NaN,-Infinity],"choices":[]}'],
  ['an empty error', '{"error":null,"choices":[]}'],
  ['a response that has failed', '{"object":"response","status":"failed","error":{"code":"server_error"}}'],
  ['an object that is empty', '{}'],
]

for (const [what, body] of responses) {
  test(`${what} is a response`, () => assert.equal(kindOf(body), 'response'))
}

test('an object of more members than a request may have is a response', () => {
  const members = Array.from({ length: 1500 }, (_, number) => [`m${number}`, 'error'])
  assert.equal(kindOf(JSON.stringify(Object.fromEntries(members))), 'response')
})

const errors = [
  '{"error":{"message":"no"}}',
  '{"error":"no"}',
  '\ufeff{"error":{"message":"no"}}',
  '{"object":"error","message":"too long","code":400}',
  '{"type":"error","error":{"type":"overloaded_error"}}',
  '{"error":{"message":"no"},"error":{"message":"no"}}',
]

for (const body of errors) test(`${body} is an error`, () => assert.equal(kindOf(body), 'error'))

const whole = JSON.stringify({
  id: 'c',
  choices: [{ message: { content: 'a {brace} "ü" \\ ' } }],
  n: [1, [2]],
})

test('JSON is not a response wherever it is cut', () => {
  const bytes = Buffer.from(whole)
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), (length) => {
      assert.equal(kindOf(bytes.subarray(0, length)), 'fault')
    }),
  )
})

for (const body of ['', ' ', 'upstream error', '<html></html>', '[{"a":1}', '{"a":NaN', '[NaN,']) {
  test(`${JSON.stringify(body)} is not a response`, () => assert.equal(kindOf(body), 'fault'))
}

test('what is no JSON is judged by whether there is any of it', () => {
  assert.equal(kindOf('1\n00:00:00,000 --> 00:00:01,000\nerror\n', 'text/plain'), 'response')
  assert.equal(kindOf('', 'audio/mpeg', true), 'fault')
  assert.equal(kindOf('', 'text/plain'), 'fault')
  assert.equal(kindOf('', 'text/plain', true), 'response', 'a transcript of silence')
})

test('pages and statuses without a body show in the head', () => {
  assert.match(faultOfHead(head('Text/HTML; charset=utf-8')) ?? '', /base_url/)
  assert.match(faultOfHead({ status: 204, headers: {} }) ?? '', /204/)
  assert.equal(faultOfHead(head('application/json')), undefined)
})

test('large JSON is to end as it began, whatever white space is around it', () => {
  const judge = (start: string, tail: string) => mayBeWhole(Buffer.from(start), Buffer.from(tail))
  assert.equal(judge(' {"data":[', '0.5]}\r\n'), true)
  assert.equal(judge('\ufeff{"data":[', '0.5]}'), true)
  assert.equal(judge('[0.5', '0.5]'), true)
  assert.equal(judge('"base64', '=="'), true, 'of a text nothing can be said')
  assert.equal(judge('{"data":[', '0.5,0.2'), false)
  assert.equal(judge('{"data":[', '0.5]'), false)
  assert.equal(judge('[0.5', '\n'), false)
})
