// Clients of Ollama's API on a provider of Anthropic's Messages API: through chat.
import type { ProviderTraits } from '../../../config/provider-types.ts'
import type { ProviderDialect } from '../../dialect.ts'
import type { Translator } from '../../translator.ts'
import { chatToMessages } from '../chat_messages/translator.ts'
import { composed } from '../composed.ts'
import { allEfforts } from '../efforts.ts'
import type { AnswerForm } from '../ollama_chat/answer.ts'
import { ollamaToChat } from '../ollama_chat/translator.ts'
import { chatToMessagesCoverage, generateToMessagesCoverage } from './coverage.ts'

/**
 * @param chat the format between.
 * @param messages the provider's format.
 */
export function ollamaToMessages(
  form: AnswerForm,
  chat: ProviderDialect,
  messages: ProviderDialect,
): Translator {
  const isChat = form === 'chat'
  return composed({
    way: isChat ? 'ollama_messages' : 'ollama_generate_messages',
    first: ollamaToChat(form, chat),
    second: chatToMessages(messages),
    coverage: isChat ? chatToMessagesCoverage : generateToMessagesCoverage,
    middleTraits,
    memberName,
  })
}

/** Everything that chat can express: what the provider does not take is for the second translation. */
function middleTraits(traits: ProviderTraits): ProviderTraits {
  return {
    ...traits,
    maxTokensField: 'max_tokens',
    reasoningField: 'reasoning_content',
    reasoningTurns: 'all',
    efforts: allEfforts,
    hasThinkTags: false,
    maxStopSequences: Infinity,
    maxTemperature: 2,
    hasTopK: true,
  }
}

const names: ReadonlyMap<string, string> = new Map([
  ['frequency_penalty', 'options.frequency_penalty'],
  ['max_tokens', 'options.num_predict'],
  ['messages.reasoning_content', 'messages.thinking'],
  ['presence_penalty', 'options.presence_penalty'],
  ['reasoning_effort', 'think'],
  ['response_format', 'format'],
  ['seed', 'options.seed'],
  ['stop', 'options.stop'],
  ['temperature', 'options.temperature'],
  ['top_k', 'options.top_k'],
  ['top_p', 'options.top_p'],
])

/** The name in Ollama's API for a member of chat. */
function memberName(name: string): string {
  return names.get(name) ?? name
}
