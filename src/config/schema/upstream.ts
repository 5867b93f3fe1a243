// Schema of what stands behind the gateway: providers, models, and how calls are spread over them.
import { defaults } from '../defaults.ts'
import type { Schema } from './schema.ts'

export const modelName = {
  type: 'string',
  minLength: 1,
  maxLength: 256,
  // Neither white space nor control characters: the name stands in headers, logs and metrics.
  pattern: '^[^\\s\\u0000-\\u001f\\u007f-\\u009f]+$',
} as const satisfies Schema

const providerName = {
  type: 'string',
  minLength: 1,
  maxLength: 64,
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
} as const satisfies Schema

const headerName = {
  type: 'string',
  minLength: 1,
  maxLength: 128,
  // RFC 9110 §5.6.2, token.
  pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
} as const satisfies Schema

const secretProperties = {
  credential: {
    type: 'string',
    description: 'Name of a systemd credential: a file in `$CREDENTIALS_DIRECTORY`.',
    minLength: 1,
    maxLength: 255,
    pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]*$',
  },
  file: {
    type: 'string',
    description: 'Absolute path of a file that nobody else may read (mode 0600).',
    minLength: 1,
    maxLength: 4096,
    pattern: '^/',
  },
  env: {
    type: 'string',
    description: 'Name of an environment variable.',
    minLength: 1,
    maxLength: 255,
    pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
  },
  optional: {
    type: 'boolean',
    description: 'Go on without it when it is nowhere to be found.',
    default: false,
  },
} as const satisfies Record<string, Schema>

const timeout = (description: string) =>
  ({ type: 'integer', description, minimum: 0, maximum: 86_400_000 }) as const satisfies Schema

const timeouts = {
  type: 'object',
  description: 'In milliseconds; 0 turns one off.',
  additionalProperties: false,
  properties: {
    connect_ms: timeout(
      'Until the connection stands. Looked at about once a second, so it may end up to a second late. Default: 2000 for a local provider, 5000 else.',
    ),
    first_byte_ms: timeout(
      'From sending the request to the first byte of the answer. Default: 600000 for a local provider, 120000 else.',
    ),
    idle_ms: timeout('Longest silence within the answer. Default: 600000 for a local provider, 120000 else.'),
    total_ms: timeout('The whole call with all of its attempts. Default: 1800000.'),
  },
} as const satisfies Schema

const healthCheck = {
  type: ['boolean', 'object'],
  description: 'Ask the provider now and then whether it is there, and try it last while it is not.',
  default: defaults.provider.health_check,
  additionalProperties: false,
  properties: {
    path: {
      type: 'string',
      description:
        'Path below the base URL that is answered with 2xx. Default: `/models`; llama.cpp also has `/health`.',
      minLength: 1,
      maxLength: 1024,
      // No spaces and nothing that would have to be percent-encoded.
      pattern: '^/[!-~]*$',
    },
    interval_ms: {
      type: 'integer',
      description: 'Time between two questions in milliseconds. Default: 15000.',
      minimum: 1000,
      maximum: 3_600_000,
    },
  },
} as const satisfies Schema

const provider = {
  type: 'object',
  additionalProperties: false,
  properties: {
    kind: {
      type: 'string',
      description:
        '`openai`: a server with an OpenAI-compatible API. `echo`: built in, streams the last message back.',
      default: defaults.provider.kind,
      enum: ['openai', 'echo'],
    },
    base_url: {
      type: 'string',
      description:
        'URL up to and including `/v1`. `http://` only to loopback and private addresses. Needed unless `kind` is `echo`.',
      minLength: 1,
      maxLength: 2048,
    },
    api_key: {
      type: 'object',
      description:
        'Where the key is found, never the key itself. Goes to the origin of `base_url` and nowhere else.',
      writeOnly: true,
      additionalProperties: false,
      properties: secretProperties,
    },
    auth: {
      type: ['string', 'object'],
      description:
        'How the key is sent: `bearer` is `Authorization: Bearer KEY`; `{ header: api-key }` sends it in that header.',
      default: defaults.provider.auth,
      pattern: '^bearer$',
      additionalProperties: false,
      required: ['header'],
      properties: { header: { ...headerName, description: 'Name of the header that carries the key.' } },
    },
    headers: {
      type: 'object',
      description:
        'Further headers of every request to this provider. A value is a text or a secret reference as in `api_key`.',
      propertyNames: headerName,
      additionalProperties: {
        type: ['string', 'object'],
        maxLength: 8192,
        writeOnly: true,
        additionalProperties: false,
        properties: secretProperties,
      },
    },
    include_usage: {
      type: 'string',
      description: 'Ask for token counts at the end of streams; `auto` stops asking a provider that refuses.',
      default: defaults.provider.include_usage,
      enum: ['auto', 'always', 'never'],
    },
    timeouts,
    max_parallel_requests: {
      type: 'integer',
      description: 'Calls that may be under way at this provider at once, all models together.',
      minimum: 1,
      maximum: 1_000_000,
    },
    health_check: healthCheck,
    discover_models: {
      type: 'boolean',
      description:
        'Offer the models that the provider lists, as `PROVIDER/MODEL`, and as `MODEL` where nothing else has that name.',
      default: defaults.provider.discover_models,
    },
  },
} as const satisfies Schema

export const providersSchema = {
  type: 'object',
  description: 'Servers that have models, by a name of your choice.',
  minProperties: 1,
  propertyNames: providerName,
  additionalProperties: provider,
} as const satisfies Schema

const target = {
  type: 'object',
  additionalProperties: false,
  required: ['provider'],
  properties: {
    provider: { ...providerName, description: 'Name of a provider.' },
    model: {
      ...modelName,
      description: "The provider's name for the model. Default: as for `model` above.",
    },
    tier: {
      type: 'integer',
      description: 'Lower tiers are tried first.',
      default: defaults.target.tier,
      minimum: 1,
      maximum: 100,
    },
    weight: {
      type: 'integer',
      description: 'Share of the calls within a tier.',
      default: defaults.target.weight,
      minimum: 1,
      maximum: 1_000_000,
    },
  },
} as const satisfies Schema

const model = {
  type: 'object',
  additionalProperties: false,
  properties: {
    provider: { ...providerName, description: 'Name of a provider; with `model`, short for one target.' },
    model: { ...modelName, description: "The provider's name for the model. Default: the same name." },
    targets: {
      type: 'array',
      description: 'Places where the model can be had, in place of `provider` and `model`.',
      minItems: 1,
      items: target,
    },
    aliases: {
      type: 'array',
      description: 'Further names for clients to use.',
      items: modelName,
    },
    fallbacks: {
      type: 'array',
      description:
        'Models to try when no target of this one is left: in order, each followed by its own fallbacks.',
      items: modelName,
    },
  },
} as const satisfies Schema

export const modelsSchema = {
  type: 'object',
  description: 'Models that clients can ask for, by the name that they use. A name may end in `*`.',
  minProperties: 1,
  propertyNames: modelName,
  additionalProperties: model,
} as const satisfies Schema

export const routingSchema = {
  type: 'object',
  description: 'What happens when a target fails before its first byte.',
  additionalProperties: false,
  properties: {
    retries: {
      type: 'integer',
      description:
        'Times that a call may ask a target again which has failed. Targets not asked yet do not count.',
      default: defaults.routing.retries,
      minimum: 0,
      maximum: 10,
    },
    cooldown_ms: {
      type: 'integer',
      description:
        'How long a target that failed is tried last, in milliseconds. Trouble of some kinds lasts longer or shorter.',
      default: defaults.routing.cooldown_ms,
      minimum: 0,
      maximum: 3_600_000,
    },
  },
} as const satisfies Schema
