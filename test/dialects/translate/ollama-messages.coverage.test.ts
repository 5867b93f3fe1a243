// The tables of what the ways of Ollama's API to Messages carry, against what they do.
import { describe } from 'node:test'
import {
  chatToMessagesCoverage,
  generateToMessagesCoverage,
} from '../../../src/dialects/translate/ollama_messages/coverage.ts'
import { endFor, errorEvent, textBlock, thinkingBlock, toolBlock } from '../../support/message-events.ts'
import {
  mark,
  messageStream,
  type RequestSamples,
  type ResponseSamples,
  testRequests,
  testResponses,
} from './coverage.ts'
import { chatSamples, generateSamples } from './ollama-samples.ts'

const traits = { maxTemperature: 1, hasTopK: true }
const messages = [{ role: 'user', content: 'Hi' }]
const chat = { dialect: 'ollama_chat', way: 'ollama_messages', traits, request: { messages }, streamed: {} }
const generate = {
  dialect: 'ollama_generate',
  way: 'ollama_generate_messages',
  traits,
  request: { prompt: 'Hi' },
  streamed: {},
}

/** Where the way to chat carries a member otherwise. */
const settings: RequestSamples = {
  think: { request: { think: 'low' }, sends: '"effort":"low"' },
  'options.seed': { request: { options: { seed: mark } } },
  'options.frequency_penalty': { request: { options: { frequency_penalty: mark } } },
  'options.presence_penalty': { request: { options: { presence_penalty: mark } } },
  'options.stop': { request: { options: { stop: [mark] } } },
  logprobs: { request: { logprobs: true } },
  top_logprobs: { request: { top_logprobs: mark } },
}

const responses: ResponseSamples = {
  model: { events: [], returns: '"model":"m"' },
  'content.text': { events: textBlock(0, mark) },
  'content.thinking': { events: thinkingBlock(0, mark, ''), returns: `"thinking":"${mark}"` },
  'content.signature': { events: thinkingBlock(0, 'Hm.', mark) },
  'content.tool_use': { events: toolBlock(0, { id: 'a', name: 'look' }, `{"${mark}":1}`) },
  stop_reason: { events: endFor('max_tokens').slice(0, 1), returns: '"done_reason":"length"' },
  usage: { events: endFor('end_turn').slice(0, 1), returns: '"prompt_eval_count":100' },
  error: { events: [errorEvent('overloaded_error', mark)], returns: `{"error":"${mark}"}` },
}

describe('of a request to /api/chat for a provider of Messages', () => {
  testRequests(chat, chatToMessagesCoverage.request, { ...chatSamples, ...settings })
})

describe('of a request to /api/generate for a provider of Messages', () => {
  testRequests(generate, generateToMessagesCoverage.request, { ...generateSamples, ...settings })
})

describe('of a response of Messages for clients of Ollama', () => {
  testResponses(chat, chatToMessagesCoverage.response, responses, messageStream)
  testResponses(generate, generateToMessagesCoverage.response, responses, messageStream)
})
