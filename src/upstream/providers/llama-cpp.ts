import type { ServerErrors } from '../error-meaning.ts'

/** llama-server. https://github.com/ggml-org/llama.cpp/tree/master/tools/server */
export const llamaCpp: ServerErrors = {
  missingModelCodes: ['not_found_error'],
  missingRouteTexts: ['"File Not Found"'],
  loadingText: 'Loading model',
}
