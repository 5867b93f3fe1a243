import type { ProviderTraits } from '../../config/provider-types.ts'
import type { ServerErrors } from '../error-meaning.ts'
import { openServerTraits } from './traits.ts'

/** llama-server. https://github.com/ggml-org/llama.cpp/tree/master/tools/server */
export const llamaCpp: ServerErrors = {
  missingModelCodes: ['not_found_error'],
  missingRouteTexts: ['"File Not Found"'],
  loadingText: 'Loading model',
  unableTexts: ['image', 'audio', 'video'].map((input) => `${input} input is not supported`),
}

export const llamaCppTraits: ProviderTraits = {
  ...openServerTraits,
  reasoningField: 'reasoning_content',
  hasTopK: true,
}
