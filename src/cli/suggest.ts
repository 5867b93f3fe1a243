// Suggestions that several commands print.
import { closestName } from '../platform/did-you-mean.ts'
import { cloudAddresses } from './cloud-addresses.ts'

/** The message for a provider that the configuration does not name. */
export function unknownProvider(provider: string, file: string, known: Iterable<string>): string {
  const names = [...known]
  const near = closestName(provider, names)
  const hint = near === undefined ? `Known providers: ${names.join(', ')}` : `Did you mean "${near}"?`
  return `There is no provider "${provider}" in ${file}. ${hint}`
}

/** A name to suggest for a provider's credential: `open_router_api_key`. */
export function exampleCredential(provider: string): string {
  return `${provider.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_')}_api_key`
}

/** Providers whose keys are often stored before the configuration has them, and where they are. */
const wellKnown: Readonly<Record<string, string>> = {
  anthropic: 'kind: anthropic',
  openai: `base_url: "${cloudAddresses.openai}"`,
  openrouter: `base_url: "${cloudAddresses.openrouter}"`,
}

/** The entry of a well-known provider for the configuration; undefined for others, and for what is close to a known name. */
export function entryToAdd(provider: string, known: Iterable<string>): string | undefined {
  const address = Object.hasOwn(wellKnown, provider) ? wellKnown[provider] : undefined
  if (address === undefined || closestName(provider, [...known]) !== undefined) return undefined
  return `${provider}: { ${address}, api_key: { credential: ${exampleCredential(provider)} } }`
}
