import type { Effort, ProviderTraits } from '../../config/provider-types.ts'
import type { ServerErrors } from '../error-meaning.ts'
import { openServerTraits } from './traits.ts'

/** Anthropic, and servers with its API. https://docs.claude.com/en/api/errors */
export const anthropic: ServerErrors = {
  billingCodes: ['billing_error', 'enforced_spend_limit_reached'],
  billingTexts: ['"message":"Your credit balance is too low'],
  // A model's name that it does not know, and a path that it does not have, differ in the message only.
  missingRouteTexts: ['"Not Found"', '"Not found"'],
}

/** The version of its API, which each request names. https://docs.claude.com/en/api/versioning */
export const versionHeader = ['anthropic-version', '2023-06-01'] as const

/** The number in a model's name: `claude-3-5-haiku-20241022`, `claude-opus-4-6`, `anthropic/claude-sonnet-4.5`. */
const namedVersion = /claude-(?:[a-z]+-)?(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?/

interface Version {
  readonly major: number
  readonly minor: number
}

/** Of a name without a number: the newest. */
const newest: Version = { major: Infinity, minor: 0 }

/** What Anthropic's models accept. https://docs.claude.com/en/docs/about-claude/models */
export function anthropicTraits(model: string): ProviderTraits {
  const version = versionOf(model)
  const isAdaptive = isFrom(version, 4, 6)
  return {
    ...openServerTraits,
    defaultMaxTokens: maxTokensOf(version),
    reasoningTurns: 'all',
    efforts: effortsOf(version),
    thinking: isAdaptive ? 'adaptive' : 'budget',
    maxTemperature: 1,
    hasTopK: true,
    hasToolImages: true,
    hasFileParts: true,
    hasPrefill: !isAdaptive,
    keepsBillingBlock: true,
  }
}

/** What every model of its version can write. Agents set no cap, and a small one would cut their answers. */
function maxTokensOf(version: Version): number {
  if (isFrom(version, 4, 0)) return 32_000
  return isFrom(version, 3, 5) ? 8192 : 4096
}

function effortsOf(version: Version): readonly Effort[] {
  if (isFrom(version, 4, 7)) return ['none', 'low', 'medium', 'high', 'xhigh', 'max']
  if (isFrom(version, 4, 6)) return ['none', 'low', 'medium', 'high', 'max']
  // The first that think.
  return isFrom(version, 3, 7) ? ['none', 'low', 'medium', 'high'] : []
}

function versionOf(model: string): Version {
  const [, major, minor = '0'] = namedVersion.exec(model) ?? []
  return major === undefined ? newest : { major: Number(major), minor: Number(minor) }
}

function isFrom({ major, minor }: Version, fromMajor: number, fromMinor: number): boolean {
  return major > fromMajor || (major === fromMajor && minor >= fromMinor)
}
