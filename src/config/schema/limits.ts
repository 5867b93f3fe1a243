// Schema of how much may be asked of each model, and by each client.
import { defaults } from '../defaults.ts'
import { modelName } from './names.ts'
import type { Schema } from './schema-type.ts'

const whenLimited = {
  type: 'string',
  description: '`reject` answers 429 at once; `wait` holds the call in line until it fits.',
  enum: ['reject', 'wait'],
} as const satisfies Schema

const maxWaitMs = {
  type: 'integer',
  description: 'How long a call may wait in line, in milliseconds.',
  minimum: 0,
  maximum: 3_600_000,
} as const satisfies Schema

const rpm = {
  type: 'integer',
  description: 'Requests in any 60 seconds.',
  minimum: 1,
  maximum: 10_000_000,
} as const satisfies Schema

const limits = {
  type: 'object',
  additionalProperties: false,
  properties: {
    rpm,
    tpm: {
      type: 'integer',
      description: 'Tokens in any 60 seconds, prompt and completion together.',
      minimum: 1,
      maximum: 1_000_000_000_000,
    },
    max_parallel_requests: {
      type: 'integer',
      description: 'Calls that may be under way at once.',
      minimum: 1,
      maximum: 1_000_000,
    },
    when_limited: whenLimited,
    max_wait_ms: maxWaitMs,
  },
} as const satisfies Schema

export const rateLimitsSchema = {
  type: 'object',
  description: 'How much may be asked of each model, and by each client.',
  additionalProperties: false,
  properties: {
    enabled: {
      type: 'boolean',
      description: 'Apply the limits.',
      default: defaults.rate_limit_settings.enabled,
    },
    per_client: {
      type: 'object',
      description: 'Limit of one Unix user or address, all models together; `{}`: unlimited.',
      default: defaults.rate_limit_settings.per_client,
      additionalProperties: false,
      properties: { rpm },
    },
    default: {
      ...limits,
      description: 'Limits of each model that `limits` does not name; `{}`: unlimited.',
      default: defaults.rate_limit_settings.default,
    },
    when_limited: { ...whenLimited, default: defaults.rate_limit_settings.when_limited },
    max_wait_ms: { ...maxWaitMs, default: defaults.rate_limit_settings.max_wait_ms },
    limits: {
      type: 'object',
      description: 'Limits by model, under the name (not an alias) that it has in `models`.',
      propertyNames: modelName,
      additionalProperties: limits,
    },
  },
} as const satisfies Schema
