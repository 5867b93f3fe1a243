import type { Effort, HttpProvider, ProviderTraits } from '../../config/provider-types.ts'
import type { ServerErrors } from '../error-meaning.ts'
import { openServerTraits } from './traits.ts'

/** OpenAI and the clouds that write its codes or similar ones. https://platform.openai.com/docs/guides/error-codes */
export const openAi: ServerErrors = {
  billingCodes: [
    'exceeded_current_quota_error',
    'insufficient_quota',
    'organization_spend_limit_exceeded',
    'organization_usage_limit_exceeded',
    'project_spend_limit_exceeded',
    'quota_exceeded',
  ],
  missingModelCodes: ['model_not_found', 'not_found'],
  missingRouteTexts: ['"Invalid URL ('],
}

/** OpenAI's own API, or Azure's, which is the same. */
export function isOpenAiItself({ origin }: Pick<HttpProvider, 'origin'>): boolean {
  const { hostname } = new URL(origin)
  return hostname === 'api.openai.com' || /\.(?:openai|cognitiveservices)\.azure\.com$/.test(hostname)
}

/** What OpenAI's models accept. https://platform.openai.com/docs/api-reference/chat/create */
export function openAiTraits(model: string): ProviderTraits {
  return {
    ...openServerTraits,
    maxTokensField: 'max_completion_tokens',
    systemInMiddle: 'keep',
    systemRole: 'developer',
    efforts: effortsOf(model),
    maxStopSequences: 4,
    hasFileParts: true,
    hasPlatformMembers: true,
  }
}

/** By the beginning of a model's name, the first that fits. Models that do not reason refuse the member. */
const effortsByName: readonly (readonly [beginning: RegExp, efforts: readonly Effort[]])[] = [
  [/^(?:chatgpt-4|gpt-3|gpt-4)/, []],
  [/^o\d/, ['low', 'medium', 'high']],
  [/^gpt-5(?!\.)/, ['minimal', 'low', 'medium', 'high']],
  [/^gpt-5\.1(?!\d)/, ['none', 'low', 'medium', 'high']],
]

function effortsOf(model: string): readonly Effort[] {
  const found = effortsByName.find(([beginning]) => beginning.test(model))
  return found === undefined ? ['none', 'low', 'medium', 'high', 'xhigh'] : found[1]
}

/** Clouds that differ from others with OpenAI's API, by the host. */
const cloudTraits: Readonly<Record<string, Partial<ProviderTraits>>> = {
  // https://openrouter.ai/docs/api-reference/parameters
  'openrouter.ai': {
    reasoningField: 'reasoning',
    efforts: ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'],
    hasTopK: true,
    hasFileParts: true,
  },
  // https://api-docs.deepseek.com/guides/thinking_mode
  'api.deepseek.com': { reasoningField: 'reasoning_content' },
  // https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model
  'api.moonshot.ai': { reasoningField: 'reasoning_content' },
  'api.moonshot.cn': { reasoningField: 'reasoning_content' },
}

/** Of a server with OpenAI's API that is not OpenAI. */
export function compatibleTraits({ origin }: Pick<HttpProvider, 'origin'>): ProviderTraits {
  return { ...openServerTraits, ...cloudTraits[new URL(origin).hostname] }
}
