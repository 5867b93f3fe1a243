// What translations assume of each kind of server.
import type { ProviderTraits } from '../../config/provider-types.ts'

/** Of a server of which nothing is known but that it speaks OpenAI's chat format. */
export const openServerTraits: ProviderTraits = {
  maxTokensField: 'max_tokens',
  defaultMaxTokens: 8192,
  systemInMiddle: 'fold',
  systemRole: 'system',
  hasTextParts: true,
  reasoningField: 'none',
  reasoningTurns: 'last',
  efforts: ['none', 'low', 'medium', 'high'],
  hasThinkTags: false,
  thinking: 'adaptive',
  maxTemperature: 2,
  hasTopK: false,
  hasToolImages: false,
  hasFileParts: false,
  hasPrefill: true,
  hasPlatformMembers: false,
  keepsBillingBlock: false,
  cachesPrompts: false,
}
