// What the way of Responses through chat to Messages carries, where it is not what the way to chat carries; a test compares
// it with what the translator does.
import type { Coverage } from '../../coverage.ts'
import { coverage as toChat } from '../responses_chat/coverage.ts'

export const coverage: Coverage = {
  request: {
    ...toChat.request,
    instructions: ['exact', 'the first block of `system`; developer and system messages at the start follow'],
    'input.assistant (last)': [
      'approximated',
      'without blanks at its end; refused where the model does not continue an answer',
    ],
    'content.input_image': ['exact', 'a URL, or a data URL of JPEG, PNG, GIF or WebP; others are refused'],
    'content.input_file': ['exact', 'PDF as `file_data`; others, `file_url` and `file_id` are refused'],
    'content.input_audio': ['refused'],
    'input.function_call': ['exact', 'arguments that are no JSON object are refused'],
    'input.function_call_output': [
      'exact',
      'all at the start of one turn; a missing one becomes `no output`',
    ],
    'input.reasoning': ['dropped', 'without its signature it would be refused'],
    'input.encrypted_content': [
      'dropped',
      "another server's; the gateway's own is opened, with its signature",
    ],
    max_output_tokens: ['exact', 'if it is absent, the default of the model'],
    temperature: ['approximated', 'at most 1; dropped with thinking'],
    top_p: ['approximated', 'dropped beside `temperature`, and below 0.95 with thinking'],
    top_logprobs: ['refused', 'unless 0'],
    'include (logprobs)': ['refused'],
    'include (reasoning.encrypted_content)': ['exact', 'signed reasoning, in an envelope of the gateway'],
    'reasoning.effort': [
      'approximated',
      'as the nearest effort of the model, or as a budget up to half of the output; without thinking where a tool is forced',
    ],
    'text.format': ['exact', 'as `output_config.format`, without its name'],
    'text.verbosity': ['dropped'],
    stream: ['exact'],
    user: ['exact', 'as `metadata.user_id`'],
    metadata: ['dropped'],
    safety_identifier: ['exact', 'as `metadata.user_id`, without `user`'],
    prompt_cache_key: ['dropped'],
    prompt_cache_retention: ['dropped'],
    service_tier: ['dropped'],
    'store (false)': ['exact', 'nothing is stored'],
  },
  response: {
    id: ['approximated', 'an id of the gateway'],
    model: ['approximated', 'the name that the client asked for'],
    'content.text': ['exact', 'as a message'],
    'content.citations': ['dropped'],
    'content.thinking': ['exact', 'as the summary of a reasoning item'],
    'content.signature': ['exact', 'in the encrypted content, if it is requested'],
    'content.redacted_thinking': ['exact', 'in the encrypted content, if it is requested'],
    'content.tool_use': ['exact', 'in the kind in which the tool was declared'],
    'content.server_tool_use': ['dropped', "and what else Anthropic's own tools have written"],
    stop_reason: ['exact', 'as the status of the response'],
    stop_sequence: ['dropped'],
    stop_details: ['dropped'],
    usage: ['exact', 'the input includes what came from the cache or went into it'],
    'usage.service_tier': ['dropped'],
    error: ['exact', 'the message word for word, with a code that clients know; status 529 becomes 503'],
  },
}
