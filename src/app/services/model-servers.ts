// The services of a gateway: from the first configuration that has any, the pool that starts and stops them, and its connection to the
// process that does so.
import type { Config } from '../../config/types.ts'
import type { Clock } from '../../platform/clock.ts'
import type { ServiceChange } from '../../upstream/services/service-change.ts'
import { type PoolParts, ServicePool } from '../../upstream/services/service-pool.ts'
import type { ProviderSet } from '../provider-pool.ts'
import { isServerReady } from './readiness.ts'
import { type StarterChange, StarterClient } from './starter-client.ts'

/** What tests may put in the place of a pool. */
export type OwnedPool = Pick<ServicePool, keyof ServicePool>

export interface ModelServerParts {
  readonly clock: Clock
  readonly onChange: (change: ServiceChange) => void
  /** Of the socket of the process that starts units. Undefined: there is none. */
  readonly starterPath: string | undefined
  readonly onStarter: (change: StarterChange) => void
  readonly onBug: (error: unknown) => void
  /** Absent: `ServicePool`. */
  readonly openPool?: ((parts: PoolParts) => OwnedPool) | undefined
}

export class ModelServers {
  readonly #parts: ModelServerParts
  #pool: OwnedPool | undefined
  #starter: StarterClient | undefined
  #configs: Config['providers'] = new Map()
  #providers: ProviderSet = new Map()
  #isClosed = false

  constructor(parts: ModelServerParts) {
    this.#parts = parts
  }

  /** Undefined: no configuration so far has had a service. */
  get pool(): OwnedPool | undefined {
    return this.#pool
  }

  /** Whether a provider takes requests now: each does that has no service. */
  isOpen(provider: string): boolean {
    return this.#pool?.isOpen(provider) ?? true
  }

  follow(config: Pick<Config, 'providers' | 'services'>, providers: ProviderSet): void {
    if (this.#isClosed) return
    this.#configs = config.providers
    this.#providers = providers
    const isNew = this.#pool === undefined
    if (isNew && !hasServices(config)) return
    this.#pool ??= this.#open()
    this.#pool.follow(config)
    if (isNew) this.#starter?.connect()
  }

  /** Refuses the calls that wait; the units stay as they are. Repeating it changes nothing. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#pool?.close()
    this.#starter?.close()
  }

  #open(): OwnedPool {
    const { clock, onChange, onStarter, onBug, starterPath: path, openPool = openServicePool } = this.#parts
    const starter = new StarterClient({ path, setTimer: clock.setTimer, onChange: onStarter, onBug })
    this.#starter = starter
    return openPool({ starter, clock, onChange, isReady: (provider) => this.#isReady(provider) })
  }

  async #isReady(name: string): Promise<boolean> {
    const provider = this.#providers.get(name)
    const config = this.#configs.get(name)
    if (provider === undefined || config === undefined || config.kind === 'echo') return false
    return isServerReady(provider, config, this.#parts.clock, this.#parts.onBug)
  }
}

const openServicePool = (parts: PoolParts): OwnedPool => new ServicePool(parts)

function hasServices({ providers }: Pick<Config, 'providers'>): boolean {
  return [...providers.values()].some((config) => config.kind !== 'echo' && config.service !== undefined)
}
