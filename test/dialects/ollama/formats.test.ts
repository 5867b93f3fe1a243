// Ollama's own API: how its streams end, what they count, and what a request asks of the server.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { renderRunning } from '../../../src/dialects/ollama/model-list.ts'
import type { ModelRequest } from '../../../src/dialects/request.ts'
import { GatewayError } from '../../../src/errors.ts'
import { clientDialect, readRequest } from '../translate/vector.ts'

const { native: chat } = clientDialect('ollama_chat')
const { native: generate } = clientDialect('ollama_generate')
const line = (value: object) => Buffer.from(`${JSON.stringify(value)}\n`)

describe('a stream', () => {
  test('ends with a line that is done, or with an error', () => {
    const open = line({ message: { content: 'x' }, done: false })
    assert.equal(chat.ending([open]), 'cut')
    assert.equal(chat.ending([open, line({ message: {}, done: true })]), 'over')
    assert.equal(chat.ending([open, line({ error: 'no memory' })]), 'error')
    assert.equal(chat.ending([]), 'cut')
    assert.equal(chat.ending([Buffer.from('{"done":tr')]), 'cut')
  })

  test('counts in its last line, where a prompt that was cached whole may be missing', () => {
    const { readEvent, readWhole, readPart } = chat.usage
    assert.equal(readEvent(line({ message: { content: 'x' }, done: false })), undefined)
    const counts = { prompt_eval_count: 7, eval_count: 5 }
    const usage = { promptTokens: 7, completionTokens: 5, totalTokens: undefined }
    assert.deepEqual(readEvent(line({ done: true, ...counts }))?.usage, usage)
    assert.deepEqual(readWhole(line(counts), undefined), usage)
    assert.deepEqual(readPart(Buffer.from('1.5]],"prompt_eval_count":7}')), {
      ...usage,
      completionTokens: undefined,
    })
    const timed = line({ ...counts, prompt_eval_duration: 5, eval_duration: 12_500_000 })
    assert.deepEqual(readEvent(timed)?.usage, { ...usage, outputMs: 12.5 })
    for (const prompt of [0, undefined, -1, 1.5, 'x']) {
      const read = readEvent(line({ prompt_eval_count: prompt, eval_count: 5 }))?.usage
      assert.deepEqual(read, { ...usage, promptTokens: undefined })
    }
  })

  test('has its text in a message, or in a response and its thinking', () => {
    const said = { role: 'assistant', content: 'four', thinking: 'six666' }
    assert.equal(chat.usage.textBytes(line({ model: 'content', message: said })), 10)
    const text = { response: 'fo"r', thinking: 'six666' }
    assert.equal(generate.usage.textBytes(line({ model: 'response', ...text })), 11)
    assert.equal(generate.usage.textBytes(line({ model: 'm', done: true })), 0)
  })
})

const messages = [{ role: 'user', content: 'hi' }]

function read(more: object): ModelRequest {
  const request = readRequest('ollama_chat', JSON.stringify({ model: 'm', messages, ...more }))
  if (request instanceof GatewayError) throw request
  return request
}

describe('a request', () => {
  test('is streamed unless it says otherwise', () => {
    for (const [more, isStream] of [
      [{}, true],
      [{ stream: null }, true],
      [{ stream: true }, true],
      [{ stream: false }, false],
    ] as const) {
      assert.equal(read(more).isStream, isStream)
    }
    const embed = readRequest('ollama_embed', '{"model":"m","input":"x"}') as ModelRequest
    assert.equal(embed.isStream, false)
  })

  test('manages the server by the time that a model is kept, and by what it is loaded with', () => {
    for (const [more, managing] of [
      [{ keep_alive: 0 }, 'keep_alive'],
      [{ keep_alive: -1 }, 'keep_alive'],
      [{ keep_alive: '0' }, 'keep_alive'],
      [{ keep_alive: '0h0m0s' }, 'keep_alive'],
      [{ keep_alive: ' -1m' }, 'keep_alive'],
      [{ keep_alive: 300 }, undefined],
      [{ keep_alive: 86_400 }, undefined],
      [{ keep_alive: 86_401 }, 'keep_alive'],
      [{ keep_alive: 1e30 }, 'keep_alive'],
      [{ keep_alive: '48h' }, 'keep_alive'],
      [{ keep_alive: '5m' }, undefined],
      [{ keep_alive: null }, undefined],
      [{ keep_alive: '0.5s' }, 'keep_alive'],
      [{ keep_alive: 'soon' }, 'keep_alive'],
      [{ options: { num_ctx: 8192 } }, 'options.num_ctx'],
      [{ options: { main_gpu: 1 } }, 'options.main_gpu'],
      [{ options: { num_predict: 8192, num_keep: 4, num_ctx: null } }, undefined],
    ] as const) {
      assert.equal(read(more).managing, managing, JSON.stringify(more))
    }
  })

  test('has its cap of the output among the options', () => {
    const capOf = (options: object) => read({ options }).size.maxOutputTokens
    assert.deepEqual([{ num_predict: 50 }, { num_predict: -1 }, { num_predict: '50' }, {}].map(capOf), [
      50,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('without anything to answer only loads, or unloads, the model', () => {
    const empty = { messages: [] }
    assert.equal(read({}).onlyLoads, undefined)
    assert.equal(read(empty).onlyLoads, 'load')
    assert.equal(read({ ...empty, keep_alive: '-1m' }).onlyLoads, 'load')
    assert.equal(read({ ...empty, keep_alive: '48h' }).onlyLoads, 'load')
    assert.equal(read({ ...empty, keep_alive: '0s' }).onlyLoads, 'unload')
  })

  test('is refused where the server could read it otherwise', () => {
    for (const body of [
      '{"model":"m","Messages":[]}',
      '{"model":"m","messages":[],"KEEP_ALIVE":0}',
      '{"model":"m","messages":"x"}',
      '{"model":"m","messages":[],"stream":1}',
      `{"model":"m","messages":[],"options":{"stop":["${'x'.repeat(20_000)}"]}}`,
    ]) {
      const request = readRequest('ollama_chat', body)
      assert.ok(request instanceof GatewayError && request.code === 'invalid_request', body.slice(0, 80))
    }
  })
})

test('a model in memory is neither about to leave it, nor without a tag', () => {
  const { models } = renderRunning([{ name: 'small' }, { name: 'qwen:8b' }]) as { models: Running[] }
  assert.deepEqual(
    models.map(({ name, model }) => [name, model]),
    [
      ['small:latest', 'small:latest'],
      ['qwen:8b', 'qwen:8b'],
    ],
  )
  // As Ollama's program compares it with its clock, which then prints `Stopping...`.
  for (const { expires_at } of models) assert.ok(Date.parse(expires_at) > Date.parse('2200-01-01'))
})

interface Running {
  readonly name: string
  readonly model: string
  readonly expires_at: string
}
