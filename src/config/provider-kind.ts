// Defaults of a provider's entry that depend on its kind.
import { defaults } from './defaults.ts'
import type { RawProvider } from './raw.ts'

/** Undefined if the entry needs one and has none. */
export function baseUrlOf({ kind, base_url: url }: RawProvider): string | undefined {
  return url ?? (kind === 'anthropic' ? defaults.anthropicBaseUrl : undefined)
}

/** How requests carry the provider's key. */
export function authOf({ kind, auth }: RawProvider): NonNullable<RawProvider['auth']> {
  return auth ?? (kind === 'anthropic' ? { header: 'x-api-key' } : 'bearer')
}
