// The services of a gateway: from the first configuration that has any, the pool that starts and stops them, and its connection to the
// process that does so.
import { servedProviders } from '../../config/served-providers.ts'
import type { Config } from '../../config/types.ts'
import type { Clock } from '../../platform/clock.ts'
import type { ServiceChange } from '../../upstream/services/service-change.ts'
import { type PoolParts, ServicePool } from '../../upstream/services/service-pool.ts'
import type { Readiness } from '../../upstream/services/readiness-probes.ts'
import { probeReadiness } from './readiness.ts'
import { type StarterChange, StarterClient } from './starter-client.ts'

interface ModelServerParts {
  readonly clock: Clock
  readonly onChange: (change: ServiceChange) => void
  /** Of the socket of the process that starts units. Undefined: there is none. */
  readonly starterPath: string | undefined
  /** Calls under way at a provider. */
  readonly callsOf: (provider: string) => number
  readonly onLeft: PoolParts['onLeft']
  readonly onStarter: (change: StarterChange) => void
  readonly onBug: (error: unknown) => void
  /** Of probes. */
  readonly userAgent: string
}

export class ModelServers {
  readonly #parts: ModelServerParts
  #pool: ServicePool | undefined
  #configs: Config['providers'] = new Map()
  /** By provider: what the last probe got. */
  readonly #lastProbes = new Map<string, string>()
  #starterFault: string | undefined
  #isClosed = false

  constructor(parts: ModelServerParts) {
    this.#parts = parts
  }

  /** Undefined: no configuration so far has had a service. */
  get pool(): ServicePool | undefined {
    return this.#pool
  }

  /** Why the process that starts units does not answer, so that nothing is known of them: a clause. Undefined: it does. */
  get starterFault(): string | undefined {
    return this.#starterFault
  }

  /** Whether a provider takes requests now: each does that has no service. */
  isOpen(provider: string): boolean {
    return this.#pool?.isOpen(provider) ?? true
  }

  follow(config: Pick<Config, 'providers' | 'services'>): void {
    if (this.#isClosed) return
    this.#configs = config.providers
    for (const name of this.#lastProbes.keys()) if (!config.providers.has(name)) this.#lastProbes.delete(name)
    if (this.#pool === undefined && servedProviders(config.providers).length === 0) return
    this.#pool ??= this.#open()
    this.#pool.follow(config)
  }

  /** Refuses the calls that wait; the units stay as they are. Repeating it changes nothing. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#pool?.close()
  }

  #open(): ServicePool {
    const { clock, onChange, onLeft, callsOf, onStarter, onBug, starterPath: path } = this.#parts
    const reportStarter = (change: StarterChange) => {
      this.#starterFault = change.kind === 'lost' ? change.reason : undefined
      onStarter(change)
    }
    const starter = new StarterClient({ path, setTimer: clock.setTimer, onChange: reportStarter, onBug })
    const isReady: PoolParts['isReady'] = (name, uid) => this.#isReady(name, uid)
    const lastProbe = (provider: string) => this.#lastProbes.get(provider)
    return new ServicePool({ starter, clock, onChange, onLeft, callsOf, isReady, lastProbe })
  }

  async #isReady(name: string, uid: number | undefined): Promise<Readiness> {
    const config = this.#configs.get(name)
    if (config === undefined || config.kind === 'echo') return 'not-yet'
    const onOutcome = (outcome: string) => void this.#lastProbes.set(name, outcome)
    return probeReadiness(config, uid, { ...this.#parts, onOutcome })
  }
}
