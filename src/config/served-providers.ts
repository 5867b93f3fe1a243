// The providers whose servers systemd starts when they are called.
import type { HttpProvider, ProviderConfig } from './provider-types.ts'
import type { ServiceConfig } from './service-types.ts'

export interface ServedProvider extends HttpProvider {
  readonly service: ServiceConfig
}

/** In the order of the configuration. */
export function servedProviders(providers: ReadonlyMap<string, ProviderConfig>): ServedProvider[] {
  return [...providers.values()].filter(isServed)
}

function isServed(provider: ProviderConfig): provider is ServedProvider {
  return provider.kind !== 'echo' && provider.service !== undefined
}
