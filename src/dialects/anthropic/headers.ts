// Headers that are part of Anthropic's API. https://docs.claude.com/en/api/overview
import type { ProviderTraits } from '../../config/provider-types.ts'

export const requestIdHeader = 'request-id'

const LETTER_N = 0x6e

/** The version and the betas go together with members of the body. What Claude Code says of itself is for Anthropic alone. */
export function carriesRequestHeader(
  name: string,
  { keepsBillingBlock: isAnthropic }: Pick<ProviderTraits, 'keepsBillingBlock'>,
): boolean {
  // Called for each header of each call: nearly all are told apart by one letter.
  if ((name.charCodeAt(1) | 0x20) === LETTER_N) return startsWith(name, 'anthropic-')
  return isAnthropic && startsWith(name, 'x-claude-code-')
}

function startsWith(name: string, start: string): boolean {
  return name.slice(0, start.length).toLowerCase() === start
}

export function carriesResponseHeader(name: string): boolean {
  return name.startsWith('anthropic-') || name === requestIdHeader
}
