// The tables of what the translations of Ollama's API to chat carry, against what they do.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { chatCoverage, generateCoverage } from '../../../src/dialects/translate/ollama_chat/coverage.ts'
import { chatStream, droppedOf, mark, testRequests, testResponses } from './coverage.ts'
import { chatResponses, chatSamples, generateSamples } from './ollama-samples.ts'

const messages = [{ role: 'user', content: 'Hi' }]
const chat = { dialect: 'ollama_chat', way: 'ollama_chat', request: { messages }, streamed: {} }
const generate = {
  dialect: 'ollama_generate',
  way: 'ollama_generate_chat',
  request: { prompt: 'Hi' },
  streamed: {},
}

describe('of a request to /api/chat for a chat provider', () => {
  testRequests(chat, chatCoverage.request, chatSamples)

  test('an unknown member is dropped and named', () => {
    const request = { invented: 1, [`${mark} "x"`]: 2, options: { invented: 3 } }
    assert.deepEqual(droppedOf(chat, request), ['invented', '?', 'options.invented'])
  })
})

describe('of a chat response for a client of /api/chat', () => {
  testResponses(chat, chatCoverage.response, chatResponses('content'), chatStream)
})

describe('of a request to /api/generate for a chat provider', () => {
  testRequests(generate, generateCoverage.request, generateSamples)
})

describe('of a chat response for a client of /api/generate', () => {
  testResponses(generate, generateCoverage.response, chatResponses('response'), chatStream)
})
