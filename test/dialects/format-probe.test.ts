// What servers respond to a request without content, by what they are.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { judgeFormatProbe } from '../../src/dialects/format-probe.ts'

const missing = { loc: ['body', 'model'], msg: 'Field required', type: 'missing' }
const answers: readonly (readonly [
  what: string,
  status: number,
  body: unknown,
  expected: boolean | undefined,
])[] = [
  [
    "an error in Anthropic's form",
    400,
    { type: 'error', error: { type: 'invalid_request_error', message: 'model is required' } },
    true,
  ],
  ["an error in OpenAI's form", 400, { error: { message: "'messages' is required", code: 400 } }, true],
  ["an error in FastAPI's form", 422, { detail: [missing] }, true],
  ['an error that is a text', 400, { error: 'model is required' }, true],
  ['a message', 200, { type: 'message', role: 'assistant', content: [] }, true],
  ['a response', 200, { object: 'response', output: [] }, true],
  ['an unknown path', 404, { error: { message: 'Invalid URL (POST /v1/messages)' } }, false],
  ['a page', 404, '<html>', false],
  ['an unknown method', 405, { detail: 'Method Not Allowed' }, false],
  ['what is not implemented', 501, '', false],
  ["LM Studio's success", 200, { error: 'Unexpected endpoint or method. (POST /v1/messages)' }, false],
  ['an unknown path with another status', 400, { error: { message: 'Unknown request URL' } }, false],
  ['any JSON', 200, { ok: true }, undefined],
  ['a list', 200, [], undefined],
  ['a text', 400, 'missing model', undefined],
  ['a refused key', 401, { error: { message: 'no key' } }, undefined],
  ['a limit', 429, { error: { message: 'slow down' } }, undefined],
  ["llama.cpp's Messages", 500, { error: { message: "'messages' is required", type: 'server_error' } }, true],
  ['a fault', 500, { error: { message: 'key messages not found' } }, undefined],
  ['a model that is being loaded', 503, { error: { message: 'Loading model' } }, undefined],
  ['null for an error', 400, { error: null }, undefined],
]

for (const [what, status, body, expected] of answers) {
  test(`${what} with status ${status} means ${expected ?? 'nothing'}`, () => {
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    assert.equal(judgeFormatProbe({ status }, bytes), expected)
  })
}
