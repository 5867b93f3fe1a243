// What the official `openai` client makes of failures: its error classes, with the gateway's code and message.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import OpenAI, { APIError } from 'openai'
import { refusingUrl } from '../support/scripted-upstream.ts'
import { chunk, end, json, reset, sse, streamHead } from '../support/upstream-script.ts'
import { recordedClient, startWithClient } from './openai-client.ts'
import { startGateway } from '../support/app.ts'
import { at } from '../support/gateway-config.ts'

const messages = [{ role: 'user' as const, content: 'hi' }]

/** The error that the SDK throws for it. */
async function errorOf(call: PromiseLike<unknown>): Promise<APIError> {
  try {
    await call
  } catch (error) {
    assert.ok(error instanceof APIError, String(error))
    return error
  }
  return assert.fail('the call succeeded')
}

test('an unknown model is a NotFoundError that says what was meant', async (t) => {
  const { openai, upstream } = await startWithClient(t)

  const error = await errorOf(openai.chat.completions.create({ model: 'plein', messages }))

  assert.ok(error instanceof OpenAI.NotFoundError)
  assert.equal(error.code, 'model_not_found')
  assert.equal(error.type, 'invalid_request_error')
  assert.equal(error.param, 'model')
  assert.match(error.message, /"plein".*"plain"/)
  assert.match(error.requestID ?? '', /^req_/)
  assert.equal(upstream.requests.length, 0)
})

test('a model that is no string is a BadRequestError', async (t) => {
  const { openai } = await startWithClient(t)

  const error = await errorOf(openai.chat.completions.create({ model: 7 as unknown as string, messages }))

  assert.ok(error instanceof OpenAI.BadRequestError)
  assert.equal(error.code, 'invalid_request')
  assert.equal(error.param, 'model')
})

test('a body above the limit is an APIError with status 413', async (t) => {
  const { gateway } = await startGateway(t, { server: { max_request_body_bytes: 100000 } })
  const { openai } = recordedClient(gateway)
  const content = 'x'.repeat(200_000)

  const error = await errorOf(
    openai.chat.completions.create({ model: 'plain', messages: [{ role: 'user', content }] }),
  )

  assert.equal(error.status, 413)
  assert.equal(error.code, 'request_too_large')
  assert.match(error.message, /100000 bytes/)
})

test('a provider that is down is an InternalServerError with status 502', async (t) => {
  const url = await refusingUrl(t)
  const { gateway } = await startGateway(t, {
    providers: { down: at({ url }) },
  })
  const { openai } = recordedClient(gateway)

  const error = await errorOf(openai.chat.completions.create({ model: 'plain', messages }))

  assert.ok(error instanceof OpenAI.InternalServerError)
  assert.equal(error.status, 502)
  assert.equal(error.code, 'provider_unreachable')
  assert.match(error.message, /"down"/)
})

const providerErrors = [
  [400, OpenAI.BadRequestError],
  [404, OpenAI.NotFoundError],
  [409, OpenAI.ConflictError],
  [422, OpenAI.UnprocessableEntityError],
  [429, OpenAI.RateLimitError],
  [500, OpenAI.InternalServerError],
] as const

for (const [status, errorClass] of providerErrors) {
  test(`a provider's own ${status} is a ${errorClass.name} with the provider's words`, async (t) => {
    const { openai, upstream } = await startWithClient(t)
    const body = { message: 'so says the provider', type: 'own_type', param: 'messages', code: 'own_code' }
    upstream.respond(json(status, { error: body }))

    const error = await errorOf(openai.chat.completions.create({ model: 'plain', messages, stream: true }))

    assert.ok(error instanceof errorClass)
    assert.deepEqual(error.error, body)
    assert.equal(error.headers?.get('x-llm-gateway-error'), null, 'the error is not the gateway’s')
  })
}

test('an error event of the provider makes the iterator throw it', async (t) => {
  const { openai, upstream } = await startWithClient(t)
  const error = { message: 'out of memory', type: 'server_error', param: null, code: 'oom' }
  upstream.respond(sse([delta('a'), JSON.stringify({ error })]))

  const stream = await openai.chat.completions.create({ model: 'plain', messages, stream: true })
  const seen: unknown[] = []
  const thrown = await errorOf(collect(stream, seen))

  assert.equal(seen.length, 1)
  assert.deepEqual(thrown.error, error)
})

for (const [what, last] of [
  ['resets its connection', reset],
  ['closes its connection', end],
] as const) {
  test(`a provider that ${what} within a chat stream makes the iterator throw`, async (t) => {
    const { openai, upstream } = await startWithClient(t)
    upstream.respond([streamHead(), chunk(`data: ${delta('a')}\n\n`), last])

    const stream = await openai.chat.completions.create({ model: 'plain', messages, stream: true })
    const seen: unknown[] = []
    const thrown = await errorOf(collect(stream, seen))

    assert.equal(seen.length, 1)
    assert.equal((thrown.error as { code?: unknown }).code, 'provider_bad_response')
  })
}

test('a provider that dies within a responses stream makes the iterator throw', async (t) => {
  const { openai, upstream } = await startWithClient(t)
  const event = { type: 'response.output_text.delta', delta: 'a', sequence_number: 0 }
  upstream.respond([streamHead(), chunk(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`), end])

  const stream = await openai.responses.create({ model: 'plain', input: 'hi', stream: true })
  const seen: unknown[] = []
  const thrown = await errorOf(collect(stream, seen))

  assert.deepEqual(seen.slice(0, 1), [event])
  assert.equal(thrown.code, 'provider_bad_response')
})

function delta(content: string): string {
  const choices = [{ index: 0, delta: { content }, finish_reason: null }]
  return JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices })
}

async function collect(stream: AsyncIterable<unknown>, seen: unknown[]): Promise<void> {
  for await (const item of stream) seen.push(item)
}
