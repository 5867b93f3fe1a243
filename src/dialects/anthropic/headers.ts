// Headers that are part of Anthropic's API. https://docs.claude.com/en/api/overview
import type { ProviderTraits } from '../../config/types.ts'

export const requestIdHeader = 'request-id'

/** The version and the betas go together with members of the body. What Claude Code says of itself is for Anthropic alone. */
export function carriesRequestHeader(
  name: string,
  { keepsBillingBlock: isAnthropic }: Pick<ProviderTraits, 'keepsBillingBlock'>,
): boolean {
  return name.startsWith('anthropic-') || (isAnthropic && name.startsWith('x-claude-code-'))
}

export function carriesResponseHeader(name: string): boolean {
  return name.startsWith('anthropic-') || name === requestIdHeader
}
