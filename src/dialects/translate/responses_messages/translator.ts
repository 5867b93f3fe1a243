// Clients of the Responses API on a provider of Anthropic's Messages API: through chat. Signed reasoning goes through it as
// `reasoning_details`, and to the client as encrypted content, which it sends back.
import type { ProviderTraits } from '../../../config/provider-types.ts'
import type { ProviderDialect } from '../../dialect.ts'
import type { Translator } from '../../translator.ts'
import { chatToMessages } from '../chat_messages/translator.ts'
import { composed } from '../composed.ts'
import { allEfforts } from '../efforts.ts'
import { responsesToChat } from '../responses_chat/translator.ts'
import { coverage } from './coverage.ts'

/**
 * @param chat the format between.
 * @param messages the provider's format.
 */
export function responsesToMessages(chat: ProviderDialect, messages: ProviderDialect): Translator {
  return composed({
    way: 'responses_messages',
    first: responsesToChat(chat),
    second: chatToMessages(messages),
    coverage,
    middleTraits,
    memberName,
  })
}

/** Everything that chat can express: what the provider does not take is for the second translation. */
function middleTraits(traits: ProviderTraits): ProviderTraits {
  return {
    ...traits,
    maxTokensField: 'max_tokens',
    systemInMiddle: 'keep',
    systemRole: 'system',
    hasTextParts: true,
    reasoningField: 'reasoning_content',
    reasoningTurns: 'all',
    efforts: allEfforts,
    hasThinkTags: false,
    maxStopSequences: Infinity,
    maxTemperature: 2,
    hasToolImages: true,
    hasFileParts: true,
    hasPrefill: true,
    hasPlatformMembers: true,
  }
}

const names: ReadonlyMap<string, string> = new Map([
  ['max_tokens', 'max_output_tokens'],
  ['logprobs', 'top_logprobs'],
  ['messages', 'input'],
  ['messages.reasoning_content', 'input.reasoning'],
  ['messages.reasoning_details', 'input.encrypted_content'],
  ['messages.tool_calls.function.arguments', 'input.arguments'],
  ['reasoning_effort', 'reasoning.effort'],
  ['response_format', 'text.format'],
  ['verbosity', 'text.verbosity'],
])

const messages = 'messages.'

/** The name in the Responses API for a member of chat. */
function memberName(name: string): string {
  const known = names.get(name)
  if (known !== undefined) return known
  return name.startsWith(messages) ? `input.${name.slice(messages.length)}` : name
}
