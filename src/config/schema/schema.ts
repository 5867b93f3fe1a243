// The JSON Schema (draft-07) of the configuration file, written once, here and in the files beside it. `npm run generate`
// makes of it what judges a file (is-valid.js) and what reports on one (validator.js), the copy in config/ that editors read, and
// docs/config.md.
import { clientsSchema, keysSchema } from './keys.ts'
import { identitySchema } from './identity.ts'
import { rateLimitsSchema } from './limits.ts'
import { accessSchema, corsSchema, loggingSchema, serverSchema } from './service.ts'
import { secretsSchema } from './secrets.ts'
import type { Schema } from './schema-type.ts'
import { modelsSchema, routingSchema } from './models.ts'
import { routesSchema } from './routes.ts'
import { pricesSchema } from './price.ts'
import { providersSchema } from './providers.ts'
import { servicesSchema } from './services.ts'
import { auditSchema } from './audit.ts'
import { notifySchema } from './notify.ts'
import { budgetsSchema } from './budgets.ts'
import { tracingSchema } from './tracing.ts'
import { usageSchema } from './usage.ts'
import { metricsSchema, statusSchema } from './views.ts'

/** What to write in place of LiteLLM's list of models. */
const liteLlmHint =
  'write each entry as providers: { PROVIDER: { base_url: "https://HOST/v1", api_key: { env: NAME } } }, models: { MODEL: { provider: PROVIDER, model: NAME } } and rate_limit_settings: { limits: { MODEL: { rpm: 60, tpm: 100000 } } }'

export const configSchema = {
  type: 'object',
  description: 'Configuration of llm-gateway.',
  additionalProperties: false,
  required: ['providers', 'models'],
  elsewhere: { model_list: liteLlmHint },
  properties: {
    server: serverSchema,
    access: accessSchema,
    cors: corsSchema,
    rate_limit_settings: rateLimitsSchema,
    keys: keysSchema,
    identity: identitySchema,
    clients: clientsSchema,
    providers: providersSchema,
    services: servicesSchema,
    models: modelsSchema,
    prices: pricesSchema,
    budgets: budgetsSchema,
    routing: routingSchema,
    routes: routesSchema,
    secrets: secretsSchema,
    usage: usageSchema,
    audit: auditSchema,
    tracing: tracingSchema,
    notify: notifySchema,
    metrics: metricsSchema,
    status: statusSchema,
    logging: loggingSchema,
  },
} as const satisfies Schema
