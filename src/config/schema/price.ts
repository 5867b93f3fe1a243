// Schema of what calls cost: prices of a target, a model or a provider, and the list of prices.
import { maxUsdPerCall, maxUsdPerMillion } from '../../prices/usd.ts'
import { defaults } from '../defaults.ts'
import type { Schema } from './schema-type.ts'

const usd = (description: string, maximum = maxUsdPerMillion, sharedAs = 'usd_per_million') =>
  ({
    sharedAs,
    type: ['number', 'string'],
    description,
    minimum: 0,
    maximum,
    maxLength: 24,
    pattern: '^[0-9]+([.][0-9]+)?$',
    patternErrorMessage: 'must be a decimal number',
  }) as const satisfies Schema

const rates = {
  input: usd('Tokens of the prompt.'),
  cached_input: usd("Tokens of the prompt that were read from the provider's cache. Default: `input`."),
  cache_write: usd("Tokens of the prompt that were written to the provider's cache. Default: `input`."),
  cache_write_1h: usd('The same, to be kept for an hour (Anthropic). Default: `cache_write`.'),
  output: usd('Tokens of the response. Default: `input`.'),
  reasoning: usd('Tokens of reasoning. Default: `output`.'),
  request: usd('Of each call, in USD. Default: 0.', maxUsdPerCall, 'usd_per_call'),
} as const

const above = {
  sharedAs: 'long_prompts',
  type: 'array',
  description:
    'Prices of long prompts: those of the last entry apply whose `input_tokens` the prompt exceeds, to all tokens of the call. What an entry leaves out is as without it.',
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['input_tokens'],
    properties: {
      input_tokens: {
        type: 'integer',
        description: 'Tokens of the prompt.',
        minimum: 0,
        maximum: 100_000_000,
      },
      ...rates,
    },
  },
} as const satisfies Schema

const tokenPrices = {
  ...rates,
  above,
  service_tiers: {
    type: 'object',
    description:
      'Prices of service tiers, by name: `flex`, `priority`. What an entry leaves out is as without it, `above` aside. A call in a tier that is not here is charged at the dearest of the prices.',
    additionalProperties: { type: 'object', additionalProperties: false, properties: { ...rates, above } },
  },
} as const

/** @param description of whose price it is. */
export const price = (description: string) =>
  ({
    sharedAs: 'price',
    type: ['string', 'object'],
    description,
    pattern: '^(free|reported)$',
    patternErrorMessage: 'must be free, reported, or a price such as { input: 1.25, output: 10 }',
    hint: 'write USD per 1,000,000 tokens: { input: 1.25, output: 10 }',
    additionalProperties: false,
    required: ['input'],
    properties: tokenPrices,
  }) as const satisfies Schema

export const pricesSchema = {
  type: 'object',
  description: 'The list of prices, for models whose price this file does not have ([Prices](#price)).',
  additionalProperties: false,
  properties: {
    list: {
      type: 'string',
      description:
        '`shipped`: the list that comes with the gateway, or `file`. `off`: only the prices of this file count.',
      default: defaults.prices.list,
      enum: ['shipped', 'off'],
    },
    file: {
      type: ['string', 'null'],
      description:
        'A list in place of the shipped one, as `llm-gateway prices update` writes it; a relative path starts at the folder of this file. `null`: `prices.json` beside this file, if there is one.',
      default: defaults.prices.file,
      minLength: 1,
      maxLength: 4096,
    },
  },
} as const satisfies Schema
