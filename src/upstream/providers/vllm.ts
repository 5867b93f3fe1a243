import type { ProviderTraits } from '../../config/provider-types.ts'
import type { ServerErrors } from '../error-meaning.ts'
import { openServerTraits } from './traits.ts'

/** vLLM: the exception's name as type, and the status as code. https://docs.vllm.ai/en/stable/serving/openai_compatible_server/ */
export const vllm: ServerErrors = {
  missingModelCodes: ['NotFoundError', '404'],
  // FastAPI's own text, which many servers in Python send.
  missingRouteTexts: ['{"detail":"Not Found"}', '{"detail":"Method Not Allowed"}'],
}

export const vllmTraits: ProviderTraits = { ...openServerTraits, reasoningField: 'reasoning', hasTopK: true }
