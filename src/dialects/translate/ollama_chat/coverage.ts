// What the translations of Ollama's API to chat carry; tests compare it with what the translators do.
import type { Coverage } from '../../coverage.ts'

type Covered = Coverage['request']

/** What both routes have besides their prompts. */
const settings: Covered = {
  format: ['exact', 'as `response_format`; a schema is sent without `strict`'],
  think: [
    'approximated',
    'as `reasoning_effort`: `true` is `medium`, `false` is `none`; at most what the provider accepts, dropped where it has none',
  ],
  'options.num_predict': [
    'exact',
    'as `max_tokens`, or what the provider wants instead; 0 and below set no cap',
  ],
  'options.temperature': ['exact', 'at most what the provider accepts'],
  'options.top_p': ['exact'],
  'options.top_k': ['exact', 'where the provider has it; else dropped'],
  'options.seed': ['exact'],
  'options.stop': ['exact', 'refused if there are more than the provider accepts'],
  'options.frequency_penalty': ['exact'],
  'options.presence_penalty': ['exact'],
  'options.min_p': ['dropped'],
  'options.repeat_penalty': ['dropped'],
  'options.num_ctx': ['dropped', "and what else a model is loaded with: other servers' are started with it"],
  logprobs: ['exact'],
  top_logprobs: ['exact', 'with `logprobs`'],
  stream: ['exact', 'usage is requested with it; absent is `true`'],
  keep_alive: ['dropped'],
}

const response: Coverage['response'] = {
  model: ['approximated', 'the name that the client asked for'],
  created: ['approximated', '`created_at` is when the attempt began'],
  content: ['exact'],
  reasoning_content: ['exact', 'as `thinking`; `reasoning` likewise'],
  reasoning_details: ['approximated', 'their texts'],
  refusal: ['approximated', 'as text'],
  tool_calls: ['exact', 'each once its arguments are whole'],
  function_call: ['exact', 'as a tool call'],
  logprobs: ['exact'],
  finish_reason: ['exact', 'as `done_reason`; after tool calls `stop`'],
  usage: ['exact', 'as `prompt_eval_count` and `eval_count`; absent where the provider reports none'],
  error: ['exact', 'the message as it is'],
  id: ['dropped'],
  stop_reason: ['dropped'],
  annotations: ['dropped'],
  service_tier: ['dropped'],
  system_fingerprint: ['dropped'],
}

export const chatCoverage: Coverage = {
  request: {
    model: ['exact'],
    'messages.system': ['exact'],
    'messages.user': ['exact'],
    'messages.images': [
      'exact',
      'as data URLs of what their first bytes show: PNG, JPEG, GIF, WebP, BMP; others are refused, and so are images of tools',
    ],
    'messages.assistant': ['exact'],
    'messages.thinking': [
      'approximated',
      "as the provider's member for reasoning; dropped where it has none",
    ],
    'messages.tool_calls': ['exact', 'the arguments as they were written; ids that are missing are made'],
    'messages.tool': [
      'exact',
      'for the call with its `tool_call_id`, else the next one with its `tool_name`',
    ],
    tools: ['exact', 'names that chat does not allow are shortened, and restored in the response'],
    ...settings,
    'model (without a prompt)': [
      'refused',
      'where no provider of the model is Ollama, the gateway answers itself',
    ],
  },
  response,
}

export const generateCoverage: Coverage = {
  request: {
    model: ['exact'],
    system: ['exact', 'as the first message'],
    prompt: ['exact', 'as a message of the user'],
    images: ['exact', 'as those of messages'],
    suffix: ['refused'],
    template: ['refused'],
    raw: ['refused', 'unless false'],
    context: ['refused', 'unless empty'],
    ...settings,
    'model (without a prompt)': chatCoverage.request['model (without a prompt)']!,
  },
  response: {
    ...response,
    content: ['exact', 'as `response`'],
  },
}
