// The providers of all configurations that still serve calls. A provider whose settings a reload does not change is kept,
// with its connections; one that no configuration names any more is closed after the last call that may need it.
import type { ProviderConfig } from '../config/provider-types.ts'
import type { Provider } from '../upstream/provider.ts'
import { hasSameSettings } from '../upstream/same-settings.ts'
import { createProvider } from '../upstream/providers/kinds.ts'

/** The providers of one configuration, by name. */
export type ProviderSet = ReadonlyMap<string, Provider>

interface Running {
  readonly config: ProviderConfig
  readonly provider: Provider
  /** Number of sets that contain it. */
  sets: number
}

export class ProviderPool {
  readonly #userAgent: string
  readonly #running = new Map<Provider, Running>()
  #newest: ProviderSet = new Map()

  /** @param userAgent `user-agent` of requests to providers. */
  constructor(userAgent: string) {
    this.#userAgent = userAgent
  }

  /** @returns the providers of a configuration, open until they are released. */
  open(configs: ReadonlyMap<string, ProviderConfig>): ProviderSet {
    this.#newest = new Map(Array.from(configs, ([name, config]) => [name, this.#openOne(name, config)]))
    return this.#newest
  }

  /** Closes the providers that no other set contains. Resolves when their open exchanges have ended. */
  async release(set: ProviderSet): Promise<void> {
    const unused = [...set.values()].filter((provider) => {
      const running = this.#running.get(provider)!
      running.sets -= 1
      return running.sets === 0
    })
    for (const provider of unused) this.#running.delete(provider)
    await Promise.all(unused.map((provider) => provider.close()))
  }

  #openOne(name: string, config: ProviderConfig): Provider {
    const before = this.#newest.get(name)
    const kept = before === undefined ? undefined : this.#running.get(before)
    if (kept !== undefined && hasSameSettings(kept.config, config)) {
      kept.sets += 1
      return kept.provider
    }
    const provider = createProvider(config, this.#userAgent)
    this.#running.set(provider, { config, provider, sets: 1 })
    return provider
  }
}
