// What the file says of servers' models, by provider.
import type { ProviderConfig } from '../config/provider-types.ts'
import type { ModelConfig } from '../config/types.ts'
import type { Ability, KnownModel } from '../domain.ts'
import type { ConfiguredServer } from './server-facts.ts'

/** All providers are in it. Where two models name one at a provider, the first that says something counts. */
export function configuredServers(
  providers: ReadonlyMap<string, ProviderConfig>,
  models: ReadonlyMap<string, ModelConfig>,
): Map<string, ConfiguredServer> {
  const named = new Map<string, Map<string, KnownModel>>()
  for (const { targets } of models.values()) {
    for (const target of targets) {
      if (target.contextLength === undefined && target.takes === undefined) continue
      const ofProvider = named.get(target.provider) ?? new Map<string, KnownModel>()
      named.set(target.provider, ofProvider)
      if (!ofProvider.has(target.model)) ofProvider.set(target.model, known(target))
    }
  }
  return new Map(
    Array.from(providers, ([name, config]) => {
      const ofModels = named.get(name)
      return [name, { ...(config.kind !== 'echo' && known(config)), ...(ofModels && { models: ofModels }) }]
    }),
  )
}

function known({
  contextLength,
  takes,
}: {
  readonly contextLength?: number
  readonly takes?: readonly Ability[]
}): Pick<KnownModel, 'contextLength' | 'takes'> {
  return { contextLength, takes: takes && new Set(takes) }
}
