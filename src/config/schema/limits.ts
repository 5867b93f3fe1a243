// Schema of the limits per model and per client.
import { defaults } from '../defaults.ts'
import { modelName } from './names.ts'
import type { Schema } from './schema-type.ts'
import { storeSchema } from './store.ts'

const whenLimited = {
  type: 'string',
  description: '`reject` responds with status 429 at once; `wait` queues the call until it fits.',
  enum: ['reject', 'wait'],
} as const satisfies Schema

const maxWaitMs = {
  type: 'integer',
  description: 'Longest time that a call waits in the queue before it is rejected with 429, in milliseconds.',
  minimum: 0,
  maximum: 3_600_000,
} as const satisfies Schema

const rpm = {
  type: 'integer',
  description: 'Requests in any 60 seconds.',
  minimum: 1,
  maximum: 10_000_000,
} as const satisfies Schema

/** Of a model, or of a client. */
export const limitSchemas = {
  rpm,
  tpm: {
    type: 'integer',
    description: 'Tokens in any 60 seconds, prompt and completion together.',
    minimum: 1,
    maximum: 1_000_000_000_000,
  },
  max_parallel_requests: {
    type: 'integer',
    description: 'Maximum number of simultaneous calls.',
    minimum: 1,
    maximum: 1_000_000,
  },
} as const satisfies Record<string, Schema>

const limits = {
  type: 'object',
  additionalProperties: false,
  properties: {
    ...limitSchemas,
    when_limited: whenLimited,
    max_wait_ms: maxWaitMs,
  },
} as const satisfies Schema

export const rateLimitsSchema = {
  type: 'object',
  description: 'Limits of each model, and of each client.',
  additionalProperties: false,
  properties: {
    enabled: {
      type: 'boolean',
      description: 'Apply the limits.',
      default: defaults.rate_limit_settings.enabled,
    },
    per_client: {
      type: 'object',
      description: 'Limit of each Unix user or address, all models together; `{}`: unlimited.',
      default: defaults.rate_limit_settings.per_client,
      additionalProperties: false,
      properties: { rpm },
    },
    default: {
      ...limits,
      description: 'Limits of each model that is not in `limits`; `{}`: unlimited.',
      default: defaults.rate_limit_settings.default,
    },
    when_limited: { ...whenLimited, default: defaults.rate_limit_settings.when_limited },
    max_wait_ms: { ...maxWaitMs, default: defaults.rate_limit_settings.max_wait_ms },
    limits: {
      type: 'object',
      description: 'Limits by model, under its name (not an alias) in `models`.',
      propertyNames: modelName,
      additionalProperties: limits,
    },
    store: storeSchema,
  },
} as const satisfies Schema
