// The services of a gateway: from the first configuration that has any, the pool that starts and stops them, and its connection to the
// process that does so.
import type { Config } from '../../config/types.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Services, ServiceState } from '../../upstream/services/services.ts'
import type { Starter } from '../../upstream/services/starter.ts'
import type { ProviderSet } from '../provider-pool.ts'
import { isServerReady } from './readiness.ts'
import { type StarterChange, StarterClient } from './starter-client.ts'

/** A service has gone over to another state. */
export interface StateChange {
  readonly provider: string
  readonly from: ServiceState['state']
  readonly to: ServiceState['state']
}

/** Services as their owner has them. */
export interface OwnedPool extends Services {
  /** At the start and at a reload. */
  follow(config: Pick<Config, 'providers' | 'services'>): void
  describe(): readonly ServiceState[]
  /** Refuses the calls that wait. The units stay as they are. */
  close(): void
}

/** What a pool is made of. */
export interface PoolParts {
  readonly starter: Starter
  /** One probe. Never rejects. */
  readonly isReady: (provider: string) => Promise<boolean>
  readonly clock: Clock
  readonly onChange: (change: StateChange) => void
}

export interface ModelServerParts extends Pick<PoolParts, 'clock' | 'onChange'> {
  /** Of the socket of the process that starts units. Undefined: there is none. */
  readonly starterPath: string | undefined
  readonly onStarter: (change: StarterChange) => void
  readonly onBug: (error: unknown) => void
  readonly openPool: ((parts: PoolParts) => OwnedPool) | undefined
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
    this.#pool?.follow(config)
    if (isNew) this.#starter?.connect()
  }

  /** Refuses the calls that wait; the units stay as they are. Repeating it changes nothing. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#pool?.close()
    this.#starter?.close()
  }

  #open(): OwnedPool | undefined {
    const { clock, onChange, onStarter, onBug, starterPath: path, openPool } = this.#parts
    const starter = new StarterClient({ path, setTimer: clock.setTimer, onChange: onStarter, onBug })
    this.#starter = starter
    return openPool?.({ starter, clock, onChange, isReady: (provider) => this.#isReady(provider) })
  }

  async #isReady(name: string): Promise<boolean> {
    const provider = this.#providers.get(name)
    const config = this.#configs.get(name)
    if (provider === undefined || config === undefined || config.kind === 'echo') return false
    return isServerReady(provider, config, this.#parts.clock, this.#parts.onBug)
  }
}

function hasServices({ providers }: Pick<Config, 'providers'>): boolean {
  return [...providers.values()].some((config) => config.kind !== 'echo' && config.service !== undefined)
}
