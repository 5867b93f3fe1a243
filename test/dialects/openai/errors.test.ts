// Errors in OpenAI's envelope: how ours are written, and how providers' are read.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { isEndMark } from '../../../src/dialects/openai/chat-stream.ts'
import {
  errorHeadOf,
  readErrorCode,
  readErrorFields,
  renderError,
} from '../../../src/dialects/openai/errors.ts'
import { GatewayError } from '../../../src/errors.ts'

/** Headers by name, and the parsed body. */
function render(error: GatewayError): { headers: Record<string, string>; body: unknown } {
  const { headers, body } = renderError(error)
  const byName: Record<string, string> = {}
  for (let index = 0; index < headers.length; index += 2) byName[headers[index]!] = headers[index + 1]!
  assert.equal(byName['content-length'], String(body.length))
  return { headers: byName, body: JSON.parse(body.toString()) }
}

describe('an error of the gateway', () => {
  test('has message, type, param and code, in this order', () => {
    const { status, body } = renderError(new GatewayError('invalid_request', 'no', { param: 'model' }))
    assert.equal(status, 400)
    assert.equal(
      body.toString(),
      '{"error":{"message":"no","type":"invalid_request_error","param":"model","code":"invalid_request"}}',
    )
  })

  test("carries its code and HTTP's own headers in the head", () => {
    const { headers } = render(new GatewayError('method_not_allowed', 'no', { headers: { allow: 'GET' } }))
    assert.equal(headers['x-llm-gateway-error'], 'method_not_allowed')
    assert.equal(headers['allow'], 'GET')
    assert.equal(headers['content-type'], 'application/json; charset=utf-8')
  })

  const status = { requests: { limit: 3, remaining: 0, resetMs: 60_000 }, tokens: undefined }

  test('for an exceeded limit says what ran out, how the limits stand and when to retry', () => {
    const limit = { counts: 'tokens', status, retryAfterMs: 1_500 } as const
    const { headers, body } = render(new GatewayError('rate_limit_exceeded', 'no', { limit }))
    assert.equal((body as { error: { type: string } }).error.type, 'tokens')
    assert.equal(headers['x-ratelimit-remaining-requests'], '0')
    assert.equal(headers['retry-after'], '2')
    assert.equal(headers['retry-after-ms'], '1500')
    assert.equal(headers['x-should-retry'], undefined)
  })

  test('for a call that never fits asks not to retry', () => {
    const limit = { counts: 'tokens', status, retryAfterMs: undefined } as const
    const { headers } = render(new GatewayError('rate_limit_exceeded', 'no', { limit }))
    assert.equal(headers['x-should-retry'], 'false')
    assert.equal(headers['x-ratelimit-limit-requests'], '3')
    assert.equal(headers['retry-after'], undefined)
    assert.equal(headers['retry-after-ms'], undefined)
  })
})

describe("a provider's error", () => {
  const bodies: readonly [body: string, code: string | undefined, message: string | undefined][] = [
    ['{"error":{"message":"no","type":"t","param":"p","code":"c"}}', 'c', 'no'],
    ['{"error":{"message":"no","type":"t","code":400}}', 't', 'no'],
    ['{"error":{"message":"no","type":"t","code":"400"}}', 't', 'no'],
    ['{"error":{"message":"no","code":404}}', '404', 'no'],
    ['{"error":"no"}', undefined, 'no'],
    ['{"error":{"code":"c"}}', 'c', undefined],
    ['{"error":null}', undefined, undefined],
    ['null', undefined, undefined],
    ['[]', undefined, undefined],
    ['<html>', undefined, undefined],
  ]
  for (const [body, code, message] of bodies) {
    test(`${body} has ${code ?? 'no code'} and ${message ?? 'no message'}`, () => {
      assert.equal(readErrorCode(Buffer.from(body)), code)
      assert.equal(readErrorFields(Buffer.from(body))?.message, message)
    })
  }

  test('has a code of at most 64 characters', () => {
    const body = Buffer.from(JSON.stringify({ error: { code: 'c'.repeat(100) } }))
    assert.equal(readErrorCode(body)?.length, 64)
  })
})

test('the end mark is told apart from a first event', () => {
  assert.equal(isEndMark(Buffer.from('[DONE]')), true)
  assert.equal(isEndMark(Buffer.from('{"a":"[DONE]"}')), false)
})

const errors: readonly [string, string, number | undefined][] = [
  ['OpenAI', '{"error":{"message":"no","type":"server_error","code":null}}', 500],
  ['OpenRouter', '{"error":{"code":502,"message":"Provider returned error"}}', 502],
  ['a number in a text', '{"error":{"code":"429","message":"slow"}}', 429],
  ['a word and a status', '{"error":{"code":"overloaded","status":529}}', 529],
  ['a text alone', '{"error":"model not found"}', 500],
  ['vLLM of old', '{"object":"error","message":"too long","type":"BadRequestError","code":400}', 400],
  ['the Responses API', '{"type":"error","code":"server_error","message":"no"}', 500],
  ['a code that is no status', '{"error":{"code":1234}}', 500],
  ['a chunk', '{"choices":[{"delta":{"content":"error"}}]}', undefined],
  ['a chunk with error: null', '{"error":null,"choices":[]}', undefined],
  ['a chunk with an empty error', '{"error":"","choices":[]}', undefined],
  ['no JSON', 'error', undefined],
  ['a JSON text', '"error"', undefined],
  ['the end', '[DONE]', undefined],
]

for (const [what, data, status] of errors) {
  test(`${what}: ${status ?? 'no error'}`, () => {
    assert.equal(errorHeadOf(Buffer.from(data))?.status, status)
  })
}
