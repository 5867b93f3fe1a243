// What the names of models depend on in a provider's kind.
import type { ProviderConfig } from '../config/provider-types.ts'

export interface ServerKinds {
  /** Providers on this machine or its network: a name that several of them list is one model. */
  readonly local: ReadonlySet<string>
  /** Providers that accept several spellings of a name (platform/loose-names.ts). */
  readonly ollama: ReadonlySet<string>
  /** Providers whose models are discovered, also before one has listed any. */
  readonly discovering: ReadonlySet<string>
}

export const noServerKinds: ServerKinds = { local: new Set(), ollama: new Set(), discovering: new Set() }

export function serverKindsOf(providers: ReadonlyMap<string, ProviderConfig>): ServerKinds {
  const servers = [...providers.values()].filter((each) => each.kind !== 'echo')
  const namesOf = (chosen: typeof servers) => new Set(chosen.map(({ name }) => name))
  return {
    local: namesOf(servers.filter(({ isLocal }) => isLocal)),
    ollama: namesOf(servers.filter(({ kind }) => kind === 'ollama')),
    discovering: namesOf(servers.filter(({ discoverModels }) => discoverModels === true)),
  }
}
