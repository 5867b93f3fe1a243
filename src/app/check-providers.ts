// Checks at the start which providers can be reached. One that cannot is a warning in the log: it may be started later.
import type { Config, ProviderConfig } from '../config/types.ts'
import type { App } from './app.ts'

/** How long a provider may take to respond. */
const checkTimeoutMs = 2_000

/** Emits an event for each provider that neither discovery nor health checks contact. */
export async function checkProviders(
  { providers, events }: Pick<App, 'providers' | 'events'>,
  { providers: configs }: Config,
): Promise<void> {
  const unchecked = [...providers.values()].filter(({ name }) => !isPolled(configs.get(name)!))
  const checks = unchecked.map(async (provider) => {
    const { isReachable, detail } = await provider.check(checkTimeoutMs)
    events.emit({ kind: 'provider_checked', provider: provider.name, is_reachable: isReachable, detail })
  })
  await Promise.all(checks)
}

function isPolled(config: ProviderConfig): boolean {
  return config.kind === 'openai' && (config.discoverModels === true || config.healthCheck !== undefined)
}
