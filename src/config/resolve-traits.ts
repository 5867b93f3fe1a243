// `translation` of a provider or a model → what translations assume of it.
import type { RawTranslation } from './raw.ts'
import { efforts, type ProviderTraits } from './provider-types.ts'

/** Only what is set. */
export function resolveTraits(raw: RawTranslation): Partial<ProviderTraits> {
  return Object.fromEntries(Object.entries(raw).map(([key, value]) => traitOf(key as Key, value)))
}

type Key = keyof RawTranslation

export const traitNames: Readonly<Record<Key, keyof ProviderTraits>> = {
  max_tokens_field: 'maxTokensField',
  default_max_tokens: 'defaultMaxTokens',
  system_in_middle: 'systemInMiddle',
  system_role: 'systemRole',
  text_parts: 'hasTextParts',
  reasoning_field: 'reasoningField',
  reasoning_turns: 'reasoningTurns',
  efforts: 'efforts',
  think_tags: 'hasThinkTags',
  thinking: 'thinking',
  max_temperature: 'maxTemperature',
  max_stop_sequences: 'maxStopSequences',
  top_k: 'hasTopK',
  tool_images: 'hasToolImages',
  file_parts: 'hasFileParts',
  prefill: 'hasPrefill',
  platform_members: 'hasPlatformMembers',
  keep_billing_block: 'keepsBillingBlock',
  cache_prompts: 'cachesPrompts',
}

function traitOf(key: Key, value: unknown): [keyof ProviderTraits, unknown] {
  if (key === 'efforts') return ['efforts', efforts.filter((effort) => (value as string[]).includes(effort))]
  return [traitNames[key], value ?? undefined]
}
