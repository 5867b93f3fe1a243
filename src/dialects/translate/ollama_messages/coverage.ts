// What the ways of Ollama's API through chat to Messages carry, where it is not what the ways to chat carry; tests compare it
// with what the translators do.
import type { Coverage } from '../../coverage.ts'
import { chatCoverage, generateCoverage } from '../ollama_chat/coverage.ts'

const settings: Coverage['request'] = {
  format: ['exact', 'a schema as `output_config.format`; `"json"` becomes an instruction'],
  think: [
    'approximated',
    'as the nearest effort of the model, or as a budget up to half of the output; `true` is `medium`',
  ],
  'options.num_predict': ['exact', 'as `max_tokens`; if it is absent, the default of the model'],
  'options.temperature': ['approximated', 'at most 1; dropped with thinking'],
  'options.top_p': ['approximated', 'dropped beside `temperature`, and below 0.95 with thinking'],
  'options.seed': ['dropped'],
  'options.frequency_penalty': ['dropped'],
  'options.presence_penalty': ['dropped'],
  logprobs: ['refused'],
  top_logprobs: ['dropped', 'without `logprobs`'],
  stream: ['exact', 'absent is `true`'],
}

const response: Coverage['response'] = {
  model: ['approximated', 'the name that the client asked for'],
  'content.text': ['exact'],
  'content.thinking': ['exact'],
  'content.signature': ['dropped'],
  'content.tool_use': ['exact', 'each once its input is whole'],
  stop_reason: ['exact', 'as `done_reason`; after tool calls `stop`'],
  usage: ['exact', 'as `prompt_eval_count`, with what came from the cache or went into it, and `eval_count`'],
  error: ['exact', 'the message as it is; status 529 becomes 503'],
}

export const chatToMessagesCoverage: Coverage = {
  request: {
    ...chatCoverage.request,
    'messages.images': ['exact', 'PNG, JPEG, GIF or WebP in base64; others are refused'],
    'messages.thinking': ['dropped', 'without its signature it would be refused'],
    ...settings,
  },
  response,
}

export const generateToMessagesCoverage: Coverage = {
  request: {
    ...generateCoverage.request,
    images: ['exact', 'PNG, JPEG, GIF or WebP in base64; others are refused'],
    ...settings,
  },
  response,
}
