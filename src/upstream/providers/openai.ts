import type { ServerErrors } from '../error-meaning.ts'

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
