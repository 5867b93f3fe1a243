// What a request of OpenAI's says of its size.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { RequestSize } from '../../../src/domain.ts'
import type { ModelRequest } from '../../../src/dialects/request.ts'
import { readJsonRequest } from '../../../src/dialects/openai/json-request.ts'

function sizeOf(members: object, hasOutputTokens = true): RequestSize {
  return read(JSON.stringify({ model: 'm', ...members }), hasOutputTokens).size
}

function read(text: string, hasOutputTokens = true): ModelRequest {
  const body = Buffer.from(text)
  const request = readJsonRequest(
    { hasStreamOptions: true, hasOutputTokens },
    { contentType: undefined, body },
  )
  assert.ok(!(request instanceof Error))
  return request
}

test('the cap on output is the largest of the members that set one', () => {
  const capOf = (members: object) => sizeOf(members).maxOutputTokens
  assert.equal(capOf({ max_tokens: 1, max_completion_tokens: 10_000 }), 10_000)
  assert.equal(capOf({ max_output_tokens: 7, n_predict: -1 }), 7)
  assert.equal(capOf({ max_tokens: null, num_predict: 0 }), 0)
  assert.equal(capOf({ max_tokens: '12', max_completion_tokens: 1.5, n_predict: {} }), undefined)
  assert.equal(capOf({}), undefined)
})

test('a response that does not consist of tokens has a cap of 0, and its inputs are not messages', () => {
  const { maxOutputTokens, messageCount } = sizeOf({ input: ['a', 'b'], max_tokens: 5 }, false)
  assert.deepEqual([maxOutputTokens, messageCount], [0, 0])
})

test('choices are the largest of n, best_of and n_cmpl, at least 1', () => {
  assert.equal(sizeOf({ n: 2, best_of: 5 }).choices, 5)
  assert.equal(sizeOf({ n: 2, n_cmpl: 3 }).choices, 3)
  assert.equal(sizeOf({ n: 0 }).choices, 1)
  assert.equal(sizeOf({ n: 'many' }).choices, 1)
})

test('a request has images where a part of its prompt is one, or a message has some', () => {
  const hasImages = (members: string) => read(`{"model":"m",${members}}`).needs?.hasImages
  for (const members of [
    '"messages":[{"content":[{"type":"image","source":{}}]}]',
    '"messages":[{"content":[{ "image_url" : {}, "type" : "image_url" }]}]',
    '"input":[{"content":[{"type":\n"input_image"}]}]',
    '"messages":[{"content":"what","images":[ "aGk=" ]}]',
    '"prompt":"what","images":["aGk="]',
  ]) {
    assert.equal(hasImages(members), true, members)
  }
  for (const members of [
    '"messages":[{"content":"\\"type\\":\\"image\\""}]',
    '"messages":[{"type":["image"]},{"kind":"image"},{"images":[]},{"images":"image"}]',
    '"input":["image","image_url","input_image"]',
    // What is no part of the prompt, and the schema of a tool.
    '"messages":[],"metadata":{"type":"image","images":["aGk="]}',
    '"tools":[{"parameters":{"examples":[{"type":"image","images":["aGk="]}]}}]',
  ]) {
    assert.equal(hasImages(members), false, members)
  }
})

test('a request has tools where it offers one', () => {
  const hasTools = (members: object) => read(JSON.stringify({ model: 'm', ...members })).needs?.hasTools
  assert.equal(hasTools({ tools: [{ type: 'function' }] }), true)
  assert.equal(hasTools({ functions: [{ name: 'f' }] }), true)
  assert.equal(hasTools({ tools: [] }), false)
  assert.equal(hasTools({ tools: {}, functions: null }), false)
  assert.equal(hasTools({ messages: [{ tools: [{}] }] }), false)
})

test('a request asks for thinking in the words of any server', () => {
  const asksThinking = (members: object) =>
    read(JSON.stringify({ model: 'm', ...members })).needs?.asksThinking
  for (const members of [
    { thinking: { budget_tokens: 1024, type: 'enabled' } },
    { reasoning_effort: 'low' },
    { reasoning: { summary: 'auto', effort: 'high' } },
    { reasoning: { enabled: true } },
    { reasoning: { max_tokens: 10 } },
    { think: true },
    { think: 'high' },
    { chat_template_kwargs: { other: { a: 1 }, enable_thinking: true } },
  ]) {
    assert.equal(asksThinking(members), true, JSON.stringify(members))
  }
  for (const members of [
    {},
    { thinking: { type: 'disabled' } },
    { thinking: { type: null, x: { type: 'enabled' } } },
    { thinking: 'type' },
    { reasoning_effort: 'none' },
    { reasoning_effort: null },
    { reasoning: { effort: 'none', enabled: false, max_tokens: null, generate: [true] } },
    { reasoning: ['effort', { effort: 'high' }] },
    { think: false },
    { think: 'none' },
    { think: { type: true, '': true } },
    { chat_template_kwargs: { enable_thinking: false } },
    { metadata: { think: true }, messages: [{ think: true, reasoning: { effort: 'high' } }] },
  ]) {
    assert.equal(asksThinking(members), false, JSON.stringify(members))
  }
})

test('what a request asks for is no prompt', () => {
  const wishes = { thinking: { type: 'enabled' }, reasoning: { effort: 'high' }, think: 'high' }
  assert.deepEqual(sizeOf({ input: 'four', ...wishes }), sizeOf({ input: 'four' }))
})
