// Schema of what calls are adapted to that reach a server in another format than their client's.
import { efforts } from '../provider-types.ts'
import type { Schema } from './schema-type.ts'

const traits = {
  max_tokens_field: {
    type: 'string',
    description: 'Chat: the member for the cap of the output.',
    enum: ['max_tokens', 'max_completion_tokens'],
  },
  default_max_tokens: {
    type: 'integer',
    description: 'Messages: the cap of the output where the client set none; the format requires one.',
    minimum: 1,
    maximum: 1_000_000,
  },
  system_in_middle: {
    type: 'string',
    description:
      'What becomes of a system message after the first turn. `fold`: it goes into the text of a user turn, marked; many chat templates refuse it elsewhere.',
    enum: ['keep', 'fold'],
  },
  system_role: {
    type: 'string',
    description: 'Chat: the role of instructions.',
    enum: ['system', 'developer'],
  },
  text_parts: {
    type: 'boolean',
    description:
      'Chat: whether several texts of one message may be parts. `false`: they are joined by a blank line.',
  },
  reasoning_field: {
    type: 'string',
    description: 'Chat: the member for reasoning of earlier turns. `none`: it is dropped.',
    enum: ['reasoning_content', 'reasoning', 'none'],
  },
  reasoning_turns: {
    type: 'string',
    description:
      'Of which turns reasoning is sent: of `all`, or of those after the `last` message that a person wrote.',
    enum: ['all', 'last'],
  },
  efforts: {
    type: 'array',
    description:
      'How much thinking can be asked for. Other efforts become the next weaker one, or the weakest. Empty: the member is dropped.',
    items: { type: 'string', enum: efforts },
  },
  think_tags: {
    type: 'boolean',
    description: "Chat: whether `<think>…</think>` at the start of an answer's text is its reasoning.",
  },
  thinking: {
    type: 'string',
    description:
      'Messages: how thinking is asked for: by an effort (`adaptive`), or by a number of tokens (`budget`), as models before Claude 4.6 need it.',
    enum: ['adaptive', 'budget'],
  },
  max_temperature: {
    type: 'number',
    description: 'The highest temperature; higher ones become it.',
    minimum: 0,
    maximum: 10,
  },
  max_stop_sequences: {
    type: ['integer', 'null'],
    description: 'The largest number of stop sequences; calls with more are refused. `null`: any number.',
    minimum: 0,
    maximum: 1000,
  },
  top_k: { type: 'boolean', description: 'Whether `top_k` is sent.' },
  tool_images: {
    type: 'boolean',
    description: "Whether a tool's result may hold images. `false`: they follow in a user message.",
  },
  file_parts: {
    type: 'boolean',
    description: 'Whether documents may be parts of a message. `false`: calls with documents are refused.',
  },
  prefill: {
    type: 'boolean',
    description:
      'Whether the last message may be the beginning of the answer. `false`: such calls are refused.',
  },
  platform_members: {
    type: 'boolean',
    description:
      "Whether members of OpenAI's own platform are sent: `metadata`, `prompt_cache_key`, `safety_identifier`, `service_tier`, `store`, `verbosity`.",
  },
  keep_billing_block: {
    type: 'boolean',
    description:
      "Whether Claude Code's `x-anthropic-billing-header` block stays in the prompt; outside of Anthropic it makes prefix caches useless.",
  },
  cache_prompts: {
    type: 'boolean',
    description:
      'Messages: whether calls that mark nothing for the cache (`cache_control`) have their prompt cached. Anthropic charges a quarter more for a prompt that it keeps, and a tenth for what it finds again, so it pays for agents and long conversations.',
  },
} as const satisfies Record<string, Schema>

export const translation = {
  type: 'object',
  additionalProperties: false,
  hint: 'write { max_temperature: 1 }',
  properties: traits,
} as const satisfies Schema

/** For people who write one of the keys beside `translation` instead of within it. */
export const translationElsewhere: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(traits).map((key) => [key, `it stands in translation: { ${key}: … }`]),
)
