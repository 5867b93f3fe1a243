// Schema of the models that clients can ask for, and of how their calls are routed.
import { defaults } from '../defaults.ts'
import { boundary } from './boundary.ts'
import { known } from './known.ts'
import { modelName, providerName } from './names.ts'
import { price } from './price.ts'
import type { Schema } from './schema-type.ts'
import { translation, translationElsewhere } from './translation.ts'

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
      description: 'Share of the calls within a tier, relative to the other targets in it.',
      default: defaults.target.weight,
      minimum: 1,
      maximum: 1_000_000,
    },
    ...known,
    price: price('What it costs ([Prices](#price)). Default: the `price` of the model.'),
  },
} as const satisfies Schema

const requestMember = { type: 'string', minLength: 1, maxLength: 256 } as const satisfies Schema

const limitHint = 'limits stand in rate_limit_settings: { limits: { MODEL: { rpm: 60, tpm: 100000 } } }'

const model = {
  type: 'object',
  additionalProperties: false,
  hint: 'write { provider: NAME }',
  elsewhere: { ...translationElsewhere, rpm: limitHint, tpm: limitHint, max_parallel_requests: limitHint },
  properties: {
    provider: {
      ...providerName,
      description: 'Name of a provider; with `model`, the short form of a single target.',
    },
    model: { ...modelName, description: "The provider's name for the model. Default: the name in `models`." },
    targets: {
      type: 'array',
      description: 'Providers that serve the model; replaces `provider` and `model`.',
      minItems: 1,
      items: target,
    },
    aliases: {
      type: 'array',
      description: 'Additional names for clients to use.',
      items: {
        ...modelName,
        not: { type: 'string', pattern: '\\*' },
        errorMessage: 'an alias cannot contain a *',
        hint: 'add a model whose name ends in * instead',
      },
    },
    ...known,
    fallbacks: {
      type: 'array',
      description:
        'Models to try when all targets of this one have failed: in order, each followed by its own fallbacks.',
      items: modelName,
    },
    when: {
      type: 'array',
      description:
        'Rules by which another model answers a call: the first one whose conditions all hold ([Rules](routing.md#rules)). No rule holds: the model itself, or `use`.',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['use'],
        minProperties: 2,
        hint: 'write { images: true, use: MODEL }',
        properties: {
          prompt_tokens_over: {
            type: 'integer',
            description: 'The prompt is estimated at more tokens.',
            minimum: 1,
            maximum: 100_000_000,
          },
          images: { type: 'boolean', description: 'Whether the request has images.' },
          tools: { type: 'boolean', description: 'Whether the request has tools.' },
          thinking: { type: 'boolean', description: 'Whether the request asks for thinking.' },
          use: { ...modelName, description: 'The model that answers.' },
        },
      },
    },
    use: {
      ...modelName,
      description: 'The model that answers, in place of a `provider` or `targets`: the name leads to it.',
    },
    translation: {
      type: 'object',
      description:
        'What calls for this model are adapted to when they are translated, in place of the settings of its providers. Keys as in `providers.NAME.translation`.',
      additionalProperties: false,
      hint: translation.hint,
      properties: translation.properties,
    },
    price: price(
      'What it costs ([Prices](#price)), at targets without a `price`. Default: the `price` of the provider.',
    ),
    request: {
      type: 'object',
      description:
        'What is changed in the requests of its calls ([Requests](routing.md#requests)). Members are those of the format that the provider gets, named as they are or by a JSON pointer (`/chat_template_kwargs/enable_thinking`).',
      additionalProperties: false,
      properties: {
        default: {
          type: 'object',
          description: 'Members and the values that they have where the client has sent none.',
          propertyNames: requestMember,
          additionalProperties: {},
        },
        set: {
          type: 'object',
          description: 'Members and their values, whatever the client has sent.',
          propertyNames: requestMember,
          additionalProperties: {},
        },
        drop: { type: 'array', description: 'Members that are left out.', items: requestMember },
      },
    },
    boundary: boundary(
      'What calls for the model may not leave: `local` is this machine (loopback addresses), `private` also private networks. Every target and fallback has to be inside, and each connection checks it ([Boundaries](security.md#boundaries)). Default: `any`.',
    ),
  },
  if: { required: ['use'] },
  then: {
    propertyNames: {
      enum: ['use', 'when', 'aliases', 'boundary'],
      errorMessage: 'cannot be combined with "use": another model answers',
      hint: 'set it in that model',
    },
  },
  else: {
    if: { required: ['targets'] },
    then: {
      propertyNames: {
        not: { enum: ['provider', 'model'] },
        errorMessage: 'cannot be combined with "targets"',
        hint: 'move it into the list',
      },
    },
    else: {
      required: ['provider'],
      errorMessage: 'needs the key "provider" or "targets"',
      hint: 'write { provider: NAME }',
    },
  },
} as const satisfies Schema

/** The provider's name for a model, wherever it stands. */
const targetModels = (name: Schema) =>
  ({
    model: name,
    targets: { type: 'array', items: { type: 'object', properties: { model: name } } },
  }) as const satisfies Record<string, Schema>

const ofWildcard = {
  type: 'object',
  properties: {
    ...targetModels({
      not: { type: 'string', pattern: '\\*.*\\*' },
      errorMessage: 'must contain at most one *',
      hint: "it is replaced with the part that the * in the model's own name matches",
    }),
    aliases: {
      type: 'array',
      items: {
        not: {},
        errorMessage: 'a model whose name ends in * cannot have aliases: nothing would replace the *',
        hint: 'add a model for the alias',
      },
    },
  },
} as const satisfies Schema

const ofSingleName = {
  type: 'object',
  properties: targetModels({
    type: 'string',
    pattern: '^[^*]*$',
    patternErrorMessage: 'must be a name without *',
    hint: 'only a model whose own name ends in * may use one',
  }),
} as const satisfies Schema

export const modelsSchema = {
  type: 'object',
  description: 'Models that clients can ask for, keyed by the name that they use. A name may end in `*`.',
  minProperties: 1,
  propertyNames: {
    ...modelName,
    not: { type: 'string', pattern: '\\*.' },
    errorMessage: 'may contain only one *, at its end',
  },
  additionalProperties: model,
  allOf: [{ patternProperties: { '\\*$': ofWildcard, '[^*]$': ofSingleName } }],
} as const satisfies Schema

export const routingSchema = {
  type: 'object',
  description: 'What happens when a target fails before the first byte of its response.',
  additionalProperties: false,
  properties: {
    retries: {
      type: 'integer',
      description:
        'Number of times that a call may retry targets that have already failed. First attempts at other targets do not count.',
      default: defaults.routing.retries,
      minimum: 0,
      maximum: 10,
    },
    max_retry_wait_ms: {
      type: 'integer',
      description:
        'Longest pause before a retry, in milliseconds. If a provider asks to wait longer (`retry-after`), the client receives its response at once.',
      default: defaults.routing.max_retry_wait_ms,
      minimum: 0,
      maximum: 60_000,
    },
    restart_wait_ms: {
      type: 'integer',
      description:
        'How long a local provider that refuses connections is tried again when no other target or fallback is left, in milliseconds: it may be restarting. 0 turns this off.',
      default: defaults.routing.restart_wait_ms,
      minimum: 0,
      maximum: 60_000,
    },
    cooldown_ms: {
      type: 'integer',
      description:
        'How long a failed target cools down (is tried last), in milliseconds. Some kinds of failure shorten or lengthen this.',
      default: defaults.routing.cooldown_ms,
      minimum: 0,
      maximum: 3_600_000,
    },
    placement: {
      enum: ['expected_time', 'least_busy'],
      description:
        'How a model with several targets chooses one: by when it is expected to answer (by price among clouds), counting what it has cached of the prompt, or by its calls under way alone.',
      default: defaults.routing.placement,
    },
    shared_prefixes: {
      type: 'boolean',
      description:
        "Place a client's call where another client's has the beginning of the same prompt cached. Then how fast an answer comes, and `cached_tokens`, may show what other clients have sent.",
      default: defaults.routing.shared_prefixes,
    },
    boundary: {
      ...boundary('What no call may leave, in addition to the `boundary` of its model.'),
      default: defaults.routing.boundary,
    },
  },
} as const satisfies Schema
