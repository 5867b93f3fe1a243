// Suggestions that several commands print.
import { closestName } from '../platform/did-you-mean.ts'

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
