// A sample for each member of the tables of Ollama's API: requests that have it, and events of a provider.
import { chunk, finish, mark, type RequestSamples, type ResponseSamples } from './coverage.ts'

export const png = `iVBORw0KGgo${mark}`

const user = (content: unknown, more: object = {}) => ({ role: 'user', content, ...more })
const called = { function: { name: 'look', arguments: {} } }
const assistant = (more: object) => ({ role: 'assistant', content: 'x', ...more })
const said = (...messages: object[]) => ({ messages: [user('Hi'), ...messages, user('So?')] })
const options = (more: object) => ({ request: { options: more } })
const schema = { type: 'object', title: mark }

/** Of both routes, besides their prompts. */
export const settings: RequestSamples = {
  format: { request: { format: schema } },
  think: { request: { think: 'low' }, sends: '"reasoning_effort":"low"' },
  'options.num_predict': { ...options({ num_predict: 77 }), sends: '"max_tokens":77' },
  'options.temperature': { ...options({ temperature: 0.25 }), sends: '"temperature":0.25' },
  'options.top_p': { ...options({ top_p: 0.25 }), sends: '"top_p":0.25' },
  'options.top_k': { ...options({ top_k: 25 }), traits: { hasTopK: true }, sends: '"top_k":25' },
  'options.seed': { ...options({ seed: 25 }), sends: '"seed":25' },
  'options.stop': options({ stop: [mark] }),
  'options.frequency_penalty': { ...options({ frequency_penalty: 0.5 }), sends: '"frequency_penalty":0.5' },
  'options.presence_penalty': { ...options({ presence_penalty: 0.5 }), sends: '"presence_penalty":0.5' },
  'options.min_p': options({ min_p: mark }),
  'options.repeat_penalty': options({ repeat_penalty: mark }),
  'options.num_ctx': options({ num_ctx: mark }),
  logprobs: { request: { logprobs: true }, sends: '"logprobs":true' },
  top_logprobs: { request: { logprobs: true, top_logprobs: 3 }, sends: '"top_logprobs":3' },
  stream: { request: {}, sends: '"stream":true' },
  keep_alive: { request: { keep_alive: mark } },
}

export const chatSamples: RequestSamples = {
  model: { request: {}, sends: 'provider-model' },
  'messages.system': { request: { messages: [{ role: 'system', content: mark }, user('Hi')] } },
  'messages.user': { request: { messages: [user(mark)] } },
  'messages.images': { request: { messages: [user('Hi', { images: [png] })] } },
  'messages.assistant': { request: said(assistant({ content: mark })) },
  'messages.thinking': {
    request: said(assistant({ thinking: mark })),
    traits: { reasoningField: 'reasoning_content', reasoningTurns: 'all' },
  },
  'messages.tool_calls': {
    request: said(assistant({ tool_calls: [{ function: { name: 'look', arguments: { at: mark } } }] }), {
      role: 'tool',
      content: 'a wall',
    }),
  },
  'messages.tool': {
    request: said(assistant({ tool_calls: [called] }), { role: 'tool', tool_name: 'look', content: mark }),
  },
  tools: {
    request: {
      tools: [
        { type: 'function', function: { name: 'look', description: mark, parameters: { type: 'object' } } },
      ],
    },
  },
  ...settings,
  'model (without a prompt)': { request: { messages: [] }, named: 'model' },
}

export const generateSamples: RequestSamples = {
  model: { request: {}, sends: 'provider-model' },
  system: { request: { system: mark } },
  prompt: { request: { prompt: mark } },
  images: { request: { images: [png] } },
  suffix: { request: { suffix: mark } },
  template: { request: { template: mark } },
  raw: { request: { raw: true } },
  context: { request: { context: [1, 2] } },
  ...settings,
  'model (without a prompt)': { request: { prompt: '' }, named: 'model' },
}

const call = { function: { name: mark, arguments: '{}' } }

/** For each member a chunk that has it. @param content the member with the text. */
export function chatResponses(content: 'content' | 'response'): ResponseSamples {
  return {
    model: { events: [{ model: mark, choices: [] }], returns: '"model":"m"' },
    created: { events: [{ created: 7, choices: [] }], returns: '"created_at":"2023-11-14T22:13:20Z"' },
    content: { events: [chunk({ content: mark })], returns: `"${content}":"${mark}"` },
    reasoning_content: { events: [chunk({ reasoning_content: mark })], returns: `"thinking":"${mark}"` },
    reasoning_details: { events: [chunk({ reasoning_details: [{ text: mark }] })] },
    refusal: { events: [chunk({ refusal: mark })] },
    tool_calls: { events: [chunk({ tool_calls: [call] })] },
    function_call: { events: [chunk({ function_call: call.function })] },
    logprobs: { events: [chunk({ content: 'x' }, { logprobs: { content: [mark] } })] },
    finish_reason: { events: [chunk({}, { finish_reason: 'length' })], returns: '"done_reason":"length"' },
    usage: {
      events: [finish(), { choices: [], usage: { prompt_tokens: 7, completion_tokens: 1234 } }],
      returns: '"eval_count":1234',
    },
    error: { events: [{ error: { message: mark } }], returns: `{"error":"${mark}"}` },
    id: { events: [{ id: mark, choices: [] }] },
    stop_reason: { events: [finish({ stop_reason: mark })] },
    annotations: { events: [chunk({ annotations: [mark] })] },
    service_tier: { events: [{ ...chunk({}), service_tier: mark }] },
    system_fingerprint: { events: [{ ...chunk({}), system_fingerprint: mark }] },
  }
}
