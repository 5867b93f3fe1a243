// Schema of what may be looked at besides calls: the metrics and the status page.
import { defaults } from '../defaults.ts'
import { userName } from './names.ts'
import type { Schema } from './schema-type.ts'

/** A list of names would be none if everybody were in it. */
const notAny = {
  not: { enum: ['any'] },
  errorMessage: '"any" would let every user of this machine read this',
  hint: 'list the users by name',
} as const satisfies Schema

/** An identity is named with its kind: `mail:ann@example.org`. */
const userOrIdentity = {
  type: 'string',
  minLength: 1,
  maxLength: 256,
  pattern: '^[^\\s\\u0000-\\u001f\\u007f-\\u009f]+$',
  patternErrorMessage: 'must be the name of a Unix user, or an identity as in mail:ann@example.org',
} as const satisfies Schema

export const metricsSchema = {
  type: 'object',
  description: 'Metrics for Prometheus, at `GET /metrics`. See [metrics.md](metrics.md).',
  additionalProperties: false,
  properties: {
    enabled: {
      type: 'boolean',
      description: 'Serve `GET /metrics`.',
      default: defaults.metrics.enabled,
    },
    allowed_users: {
      type: 'array',
      description:
        'Unix users who may read the metrics and, unless `access.allowed_users` lists them, nothing else: `[prometheus]`. The user that runs the gateway and root always may.',
      default: defaults.metrics.allowed_users,
      items: { ...userName, ...notAny },
    },
    client_label: {
      type: 'boolean',
      description: 'Also count calls, tokens and cost by client, for the first 100 clients.',
      default: defaults.metrics.client_label,
    },
    max_models: {
      type: 'integer',
      minimum: 1,
      maximum: 10_000,
      description: 'Names of models that are told apart; calls of further ones count as those of `other`.',
      default: defaults.metrics.max_models,
    },
    max_series: {
      type: 'integer',
      minimum: 1_000,
      maximum: 200_000,
      description:
        'Lines of counters and histograms; beyond, further names count as `other`, and the log has a warning.',
      default: defaults.metrics.max_series,
    },
  },
} as const satisfies Schema

export const statusSchema = {
  type: 'object',
  description: 'The status page, at `GET /status`. See [status.md](status.md).',
  additionalProperties: false,
  properties: {
    enabled: {
      type: 'boolean',
      description: 'Serve `GET /status`, and the page at `/` for browsers.',
      default: defaults.status.enabled,
    },
    allowed_users: {
      type: 'array',
      description:
        'Who may see the page: Unix users (`self` is the user that runs the gateway), and with `via_proxy` identities, as `mail:ann@example.org`.',
      default: defaults.status.allowed_users,
      items: { ...userOrIdentity, ...notAny },
    },
    playground: {
      type: 'boolean',
      description: 'Let the user that runs the gateway call models from the page.',
      default: defaults.status.playground,
    },
    via_proxy: {
      type: 'boolean',
      description:
        'Show the page through `server.trusted_proxies` to identities in `allowed_users`, without playground and cancelling. Otherwise forwarded requests for it get 404.',
      default: defaults.status.via_proxy,
    },
    recent_calls: {
      type: 'integer',
      minimum: 1,
      maximum: 1_000,
      description: 'Ended calls that the page shows.',
      default: defaults.status.recent_calls,
    },
  },
} as const satisfies Schema
