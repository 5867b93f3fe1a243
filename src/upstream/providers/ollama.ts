import type { ProviderTraits } from '../../config/provider-types.ts'
import type { ServerErrors } from '../error-meaning.ts'
import { openServerTraits } from './traits.ts'

/** Ollama, by its OpenAI-compatible routes. https://docs.ollama.com/api/openai-compatibility */
export const ollama: ServerErrors = {
  missingModelCodes: ['not_found_error'],
  // Go's own text, which llama-swap and others send too.
  missingRouteTexts: ['404 page not found'],
}

export const ollamaTraits: ProviderTraits = {
  ...openServerTraits,
  // Each part would become a message of its own.
  hasTextParts: false,
  reasoningField: 'reasoning',
  hasTopK: true,
}
