import type { ServerErrors } from '../error-meaning.ts'

/** Ollama, by its OpenAI-compatible routes. https://docs.ollama.com/api/openai-compatibility */
export const ollama: ServerErrors = {
  missingModelCodes: ['not_found_error'],
  // Go's own words, and so those of llama-swap and others.
  missingRouteTexts: ['404 page not found'],
}
